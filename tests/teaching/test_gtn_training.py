"""Whole trainings of GTN teachers: alone equals cohort, resumed equals uninterrupted, and what the metrics say."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from didact.data import Data, Loader, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Listener, Manner, train
from didact.files.tensors import read_tensors, write_tensors
from didact.method import Method, Pair
from didact.nets import create
from didact.nets.supernet import Choices, Space
from didact.seeds import seeded
from didact.spec import choose
from didact.teaching.gtn import Conditioning

DATASET = dataclasses.replace(load(Data(per_class=1)), test=load(Data(per_class=1)).train)  # 10 images: 5 and 5
SPACE = Space(
    kind="basic",
    stem=(4, 6),
    stages=(Choices(depth=(1, 2), width=(4, 6)), Choices(depth=(1,), width=(6, 8), kernel=(3, 5))),
)
METHODS: dict[str, dict[str, Any]] = {
    "uniform": {"pool": SPACE},
    "sandwich": {"pool": SPACE, "sampling": "sandwich", "paths": 3},
    "trained": {"pool": SPACE, "sampling": "trained", "paths": 2, "after": [0, 1]},
    "list": {"pool": "resnet8,basic-4-1x4-1x8,basic-6-1x4k5-2x6", "sampling": "trained"},
}
each = pytest.mark.parametrize("name", METHODS)


def learner(name: str, precision: str = "fp32", seed: int = 0) -> Learner:
    method = choose(Method, {"name": "gtn", **METHODS[name]})
    with seeded(seed, "net"):
        net = create("resnet8", 10, 1)
        extras = method.build(Pair(net, net.shapes(DATASET.image), DATASET.image, 10, DATASET.train.labels, 5))
    recipe = Recipe(epochs=2, batch_size=5, learning_rate=0.01, precision=precision)  # type: ignore[arg-type]
    return Learner(label=f"{name}.{seed}", net=net, method=method, extras=extras, recipe=recipe, seed=seed)


class Ear(Listener):
    """Keeps the rows, and calls a function after every epoch of every learner."""

    def __init__(self, after: Callable[[Learner], None] = lambda one: None) -> None:
        self.after = after
        self.rows: list[dict[str, Any]] = []

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.after(learner)


def run(learners: Sequence[Learner], ear: Ear | None = None) -> Ear:
    ear = ear or Ear()
    loader = Loader(DATASET, batch_size=5, data_seed=0, views=frozenset())
    train(Cohort(tuple((one,) for one in learners), loader), DATASET, [ear], Manner(test_every=99))
    assert all(one.done for one in learners), [one.failure for one in learners]
    return ear


def tensors(one: Learner) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in one.state()[0].items()}


@functools.cache
def together(precision: str) -> dict[str, dict[str, Tensor]]:
    learners = [
        learner(name, precision, seed) for name in METHODS for seed in (0, 1) if precision == "fp32" or name == "trained"
    ]
    run(learners)
    return {one.label: tensors(one) for one in learners}


def differing(a: dict[str, Tensor], b: dict[str, Tensor]) -> list[str]:
    assert a.keys() == b.keys()
    return [key for key in a if not torch.equal(a[key], b[key])]


@pytest.mark.parametrize(("name", "precision"), [*((name, "fp32") for name in METHODS), ("trained", "bf16")])
def test_alone_equals_cohort_bitwise(name: str, precision: str) -> None:
    torch.manual_seed(7)  # the global generator does not count
    one = learner(name, precision)
    run([one])
    assert differing(tensors(one), together(precision)[one.label]) == []
    other, key = together(precision)[f"{name}.1"], "net.stem.0.weight"
    assert not torch.equal(other[key], tensors(one)[key])


@each
def test_stopped_after_an_epoch_it_ends_the_same(name: str, tmp_path: Path) -> None:
    class Stop(BaseException): ...

    def halt(one: Learner) -> None:
        write_tensors(tmp_path / "state", *one.state())
        raise Stop

    with contextlib.suppress(Stop):
        run([learner(name)], Ear(halt))
    again = learner(name)
    again.restore(*read_tensors(tmp_path / "state"))
    assert (again.total, again.epochs) == (1, 2)
    run([again])
    assert differing(tensors(again), together("fp32")[again.label]) == []


@each
def test_the_metrics_say_what_became_of_the_distribution(name: str) -> None:
    one = learner(name)
    extras = one.extras
    assert isinstance(extras, Conditioning)
    rows = run([one]).rows
    expected = {"teacher_ce", "student_ce", "student_kl"} | ({"architecture"} if extras.distribution else set())
    assert all(set(row["terms"]) == expected for row in rows)
    assert all(math.isfinite(value) for row in rows for value in row["terms"].values())
    if extras.distribution is None:
        assert not any("watched" in row for row in rows)
        return
    for row in rows:
        assert set(row["watched"]) == {"entropy", "mean_parameters"}
        assert 0 < row["watched"]["entropy"] <= math.log(extras.pool.size) + 1e-6
    assert all(theta.detach().any() for theta in extras.distribution.theta.values())  # all of it has moved
    assert rows[-1]["watched"]["entropy"] == pytest.approx(extras.distribution.entropy().item())


def test_the_state_holds_all_that_is_trained() -> None:
    one = learner("trained")
    keys = set(one.state()[0])
    assert {f"extras.{key}" for key, _ in one.extras.named_parameters()} <= keys
    assert not any("table" in key for key in keys)  # what can be counted again is not kept
    assert any("distribution.theta.stage1_width" in key for key in keys)


def test_weight_decay_pulls_the_distribution_to_uniform() -> None:
    """As the file's docstring says: theta is decayed like every weight, and theta = 0 is uniform."""
    one = learner("trained")
    assert isinstance(one.extras, Conditioning) and one.extras.distribution is not None
    distribution = one.extras.distribution
    with torch.no_grad():
        for theta in distribution.theta.values():
            theta.copy_(torch.linspace(-1, 1, len(theta)))
    before = distribution.entropy().item()
    (group,) = one.updates.optimiser.param_groups
    held = {id(parameter) for parameter in group["params"]}
    assert group["weight_decay"] == one.recipe.weight_decay > 0
    assert {id(theta) for theta in distribution.theta.values()} <= held
    for parameter in group["params"]:
        parameter.grad = torch.zeros_like(parameter)  # nothing else moves it
    one.updates.optimiser.step()
    assert before < distribution.entropy().item() < math.log(one.extras.pool.size)
