"""Predicted accuracies: whose norms, on which images, at chance or not; which runs are suitable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from didact.data import Data, Split, load
from didact.methods.ce import CE
from didact.methods.kd import KD
from didact.nets.supernet import SPACES
from didact.runs.run import Run
from didact.search import predict
from didact.search.predict import Predictor, UnsuitableError, pool_of
from didact.search.search import search
from didact.spec import SpecError
from didact.store.store import Store
from didact.teaching.gtn import GTN
from support.searched import DATA, RECIPE, SPACE, TEACHER


def test_a_student_s_norms_are_its_own(fresh: Store) -> None:
    predictor = Predictor(fresh, TEACHER, images=50)
    name = SPACE.smallest
    net = predictor.student(name)
    _, added = fresh.load(TEACHER)
    plain = added.supernet.extract(name)  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), net.parameters(), strict=True))
    # the statistics of the stem's norm: those of its convolution's output over 50 training images
    net.requires_grad_(False)
    images = torch.cat([batch.images for batch in predictor._batches])
    assert images.shape == (50, 1, 16, 16)
    conv, norm = (next(m for m in net.modules() if isinstance(m, kind)) for kind in (torch.nn.Conv2d, torch.nn.BatchNorm2d))
    out = torch.nn.functional.conv2d(images.double(), conv.weight.double(), padding=1).numpy()
    np.testing.assert_allclose(norm.running_mean, out.mean((0, 2, 3)), rtol=1e-4, atol=1e-6)  # type: ignore[arg-type]
    np.testing.assert_allclose(norm.running_var, out.var((0, 2, 3), ddof=1), rtol=1e-4)  # type: ignore[arg-type]
    split = load(DATA).validation
    assert split is not None
    mean, std = (torch.tensor(v).view(1, 1, 1, 1) for v in (load(DATA).mean, load(DATA).std))
    answers = net((split.images / 255 - mean) / std).argmax(1)
    assert predictor.accuracy(name) == 100 * (answers == split.labels).sum().item() / len(split)


def test_the_test_set_is_not_looked_at(fresh: Store, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(data: Data, device: str) -> object:
        found = load(data, device)
        none = Split(found.test.images[:0], found.test.labels[:0], found.test.index[:0])
        return replace(found, test=none)

    monkeypatch.setattr(predict, "load", blind)
    assert Predictor(fresh, TEACHER).accuracy(SPACE.largest) == Predictor(Store(trained), TEACHER).accuracy(SPACE.largest)


def test_nobody_is_better_than_guessing_by_having_less(fresh: Store) -> None:
    predictor = Predictor(fresh, TEACHER)
    assert (predictor.images_held, predictor.guess) == (160, 10.0)
    assert predictor.at_chance(12.0, 1) and not predictor.at_chance(60.0, 96)


# ------------------------------------------------------------------------------------------------ which runs are suitable


def unsuitable(run: Run, said: str) -> Run:
    """What is proposed instead."""
    with pytest.raises(UnsuitableError, match=said) as error:
        pool_of(run)
    assert pool_of(error.value.instead) == getattr(run.method, "pool", SPACES["tiny"])
    return error.value.instead


def test_runs_that_cannot_be_searched() -> None:
    plain = replace(TEACHER, net="resnet14", method=GTN(pool=SPACE))
    asked = unsuitable(plain, r"ran after every block but the last .* train it with 0 in after")
    assert asked == replace(plain, method=GTN(pool=SPACE, after=(0, 1, 2)))
    asked = unsuitable(replace(TEACHER, method=GTN(pool=SPACE, after=(1,))), r"ran after the blocks \[1\] ")
    assert asked == TEACHER
    bare = replace(DATA, validation=0.0)
    asked = unsuitable(replace(TEACHER, data=bare), "no validation split.*train it with data.validation")
    assert asked == replace(TEACHER, data=replace(DATA, validation=0.1))
    # both at once
    assert unsuitable(replace(plain, data=bare), "0 in after; it has no").data.validation == 0.1


def test_runs_that_are_no_generic_teachers() -> None:
    alone = replace(TEACHER, method=CE())
    asked = unsuitable(alone, "no generic teacher.*train one first")
    assert asked == replace(TEACHER, method=GTN(pool=SPACES["tiny"], after=(0, 1, 2)))
    student = Run(net=SPACE.smallest, data=DATA, recipe=RECIPE, method=KD(), teacher=alone)
    assert unsuitable(student, "no generic teacher") == asked  # its teacher, made generic
    with pytest.raises(SpecError, match=f"search its teacher {TEACHER.digest} instead"):
        pool_of(replace(student, teacher=TEACHER))
    old = replace(TEACHER, data=replace(DATA, validation=0.0))
    with pytest.raises(UnsuitableError, match=f"{old.digest}.* no validation split"):
        pool_of(replace(student, teacher=old))


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="has not been trained"):
        search(Store(tmp_path), TEACHER)
