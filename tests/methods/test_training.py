"""Whole trainings of every method, all its stages: alone equals cohort, resumed equals uninterrupted, nothing is forgotten."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from didact.data import Data, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.files.tensors import read_tensors, write_tensors
from didact.method import Method
from support import training
from support.training import Ear, Taught
from support.walk import ALONE, TAUGHT, made

DATASET = dataclasses.replace(load(Data(per_class=1)), test=load(Data(per_class=1)).train)  # 10 images: 5 and 5
VIEWS = frozenset({"rotations"})  # shown to all, so that a cohort's batches are the same as a single learner's
BF16 = ["ab", "ce", "crd", "kd", "reviewkd", "simkd", "sskd"]
"""Methods that are tried in bfloat16: with stages, a memory, a projector, views; autocast is the engine's, not theirs."""
State = tuple[dict[str, Tensor], dict[str, Any]]


@pytest.fixture(scope="module")
def teacher() -> Taught:
    return training.taught("resnet14", DATASET.image)


def long(name: str) -> Method:
    """The method, with first stages of two epochs, so that one can stop in their middle."""
    method = made(name)
    fields = {field.name for field in dataclasses.fields(method)}  # type: ignore[arg-type]
    return made(name, **({"init_epochs": 2} if "init_epochs" in fields else {}))


def learner(name: str, teacher: Taught, precision: str = "fp32", seed: int = 0) -> Learner:
    method = long(name)
    recipe = Recipe(epochs=2, batch_size=5, learning_rate=0.01, precision=precision)  # type: ignore[arg-type]
    shown = teacher if method.needs.teacher else None
    return training.learner(method, "resnet8", DATASET, recipe, teacher=shown, label=f"{name}.{seed}", seed=seed)


def run(learners: list[Learner], teacher: Taught, ear: Ear | None = None) -> None:
    shown = teacher[0] if any(one.method.needs.teacher for one in learners) else None
    training.run(*((one,) for one in learners), dataset=DATASET, teacher=shown, ear=ear, views=VIEWS)
    assert all(one.done for one in learners), [one.failure for one in learners]


def kept(learner: Learner) -> State:
    tensors, values = learner.state()
    return {k: v.clone() for k, v in tensors.items()}, values


@pytest.fixture(scope="module")
def together(teacher: Taught) -> Callable[[str], dict[str, State]]:
    """By precision, how every method ended in one cohort of all, with a second seed of some."""

    @functools.cache
    def ends(precision: str) -> dict[str, State]:
        names = ALONE if precision == "fp32" else BF16
        learners = [learner(name, teacher, precision) for name in names]
        learners += [learner(name, teacher, precision, seed=1) for name in names if name in TAUGHT[:3]]
        run(learners, teacher)
        return {one.label: kept(one) for one in learners}

    return ends


def same(a: State, b: State) -> list[str]:
    assert a[0].keys() == b[0].keys() and a[1] == b[1]
    return [key for key in a[0] if not torch.equal(a[0][key], b[0][key])]


@pytest.mark.parametrize(("name", "precision"), [(name, "fp32") for name in ALONE] + [(name, "bf16") for name in BF16])
def test_alone_equals_cohort_bitwise(
    together: Callable[[str], dict[str, State]], teacher: Taught, name: str, precision: str
) -> None:
    one = learner(name, teacher, precision)
    run([one], teacher)
    assert same(kept(one), together(precision)[one.label]) == []


@pytest.mark.parametrize("name", ALONE)
def test_stopped_after_any_epoch_it_ends_the_same(
    together: Callable[[str], dict[str, State]], teacher: Taught, name: str, tmp_path: Path
) -> None:
    """Through a file: weights, extras, momentum, memory and random stream come back, in the middle of a stage too."""
    run([learner(name, teacher)], teacher, Ear(lambda one, row: write_tensors(tmp_path / str(row["epoch"]), *one.state())))
    for stop in range(1, learner(name, teacher).epochs):
        again = learner(name, teacher)
        again.restore(*read_tensors(tmp_path / str(stop)))
        assert again.total == stop
        run([again], teacher)
        assert same(kept(again), together("fp32")[again.label]) == [], f"stopped after epoch {stop}"


@pytest.mark.parametrize("name", ALONE)
def test_every_declared_parameter_is_trained_and_saved(teacher: Taught, name: str) -> None:
    one = learner(name, teacher)
    declared = {f"extras.{k}": p for k, p in one.extras.named_parameters()}
    optimised: set[str] = set()
    while not one.done:
        inside = {id(p) for group in one.updates.optimiser.param_groups for p in group["params"]}
        optimised |= {k for k, p in declared.items() if id(p) in inside}
        one.end_epoch()
    assert optimised == one._trainable & declared.keys()
    assert declared.keys() <= one.state()[0].keys()
