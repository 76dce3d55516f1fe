"""Recorded steps give the bits of computed ones. A tape stands in for the CUDA graph: see tests/support/tape.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.data import Data, Loader, load
from didact.engine import updates
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Fixed, Manner, train
from didact.method import Method, StepContext
from didact.methods.ce import CE
from didact.methods.kd import KD
from didact.spec import spec
from support.kept import same
from support.tape import Again, Tapes, WaitsError
from support.training import Ear, learner, taught
from support.walk import ALONE, made

DATASET = load(Data(name="digits", per_class=2, classes=9))
NET = "basic-8-1x8-1x12-1x16"
RECIPE = Recipe(epochs=1, batch_size=4, schedule="one-cycle")
RECORDABLE = [name for name in ALONE if not made(name).on_host()]


@pytest.fixture(autouse=True)
def rates_are_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr(updates, "on_device", lambda device: True)


Ends = tuple[list[dict[str, Tensor]], list[dict[str, Any]]]


def trained(methods: list[Method], recipe: Recipe = RECIPE, tapes: Tapes | None = None) -> Ends:
    """The states of a cohort at its end, and its metrics; 18 images are four batches of 4 and one of 2."""
    teacher = taught("resnet8", DATASET.image, 9)
    learners = [
        learner(m, NET, DATASET, recipe, teacher=teacher, label=str(n), seed=n, foreign=False) for n, m in enumerate(methods)
    ]
    rows: list[dict[str, Any]] = []
    views = frozenset[str]().union(*(one.views for one in learners))
    cohort = Cohort(
        tuple((one,) for one in learners),
        Loader(DATASET, batch_size=recipe.batch_size, data_seed=0, views=views),
        Fixed(teacher[0]),
        foreign=False,
    )
    train(cohort, DATASET, [Ear(lambda one, row: rows.append(row))], Manner(recorder=tapes, test_every=99))
    for row in rows:
        for key in ("seconds", "cpu_seconds", "images_per_second"):
            del row[key]
    return [one.state()[0] for one in learners], rows


def agree(methods: list[Method], recipe: Recipe = RECIPE) -> Tapes:
    """Train both ways and compare."""
    tapes = Tapes()
    (one, rows), (other, others) = trained(methods, recipe, Again(alike=True)), trained(methods, recipe, tapes)
    assert all(same(a, b) for a, b in zip(one, other, strict=True))
    assert rows == others
    return tapes


def test_the_walk_found_the_methods() -> None:
    assert len(RECORDABLE) >= 20
    assert {name for name in ALONE if name not in RECORDABLE} == {"gtn", "kdsvd"}


@pytest.mark.parametrize("name", RECORDABLE)
def test_a_recorded_step_gives_the_bits_of_a_computed_one(name: str) -> None:
    """Weights, extras, momentum, random stream, sums. Two are computed, one recorded, two replayed, one computed."""
    method = made(name)
    epochs = sum(stage.length(RECIPE.epochs) for stage in method.stages())
    tapes = agree([method])
    assert (tapes.recorded, tapes.replayed) == (epochs, 2 * epochs)


def test_a_cohort_is_recorded_as_one_step() -> None:
    tapes = agree([made("kd"), made("at+kd"), made("crd")])
    assert (tapes.recorded, tapes.replayed) == (1, 2)


def test_steps_of_held_batches_give_the_bits_of_a_plain_training() -> None:
    """What is before and after the replay, and the copies of batches, without a tape."""
    methods = [made("reviewkd"), made("crd"), made("sskd")]
    (one, rows), (other, others) = trained(methods), trained(methods, tapes=Again(alike=False))
    assert all(same(a, b) for a, b in zip(one, other, strict=True))
    assert rows == others


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, epochs=2, clip=0.5, ema=0.9, nesterov=True),
        replace(RECIPE, epochs=2, optimiser="adamw", learning_rate=1e-3, decay_norms=False),
        pytest.param(replace(RECIPE, precision="bf16"), marks=pytest.mark.slow),
    ],
    ids=["sgd", "adamw", "bf16"],
)
def test_whatever_the_recipe_says(recipe: Recipe) -> None:
    assert agree([made("kd")], recipe).recorded == recipe.epochs


@spec
class Rising(CE):
    """Cross entropy with a weight that rises from step to step, by a number of Python's."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        return {"ce": super().terms(extras, context)["ce"] * (1 + context.clock.progress())}


def test_what_changes_on_the_host_is_repeated_wrongly() -> None:
    """So the tape sees what a CUDA graph would get wrong, and ``on_host`` has to say it."""
    (one,), _ = trained([Rising()])
    (other,), _ = trained([Rising()], tapes=Tapes())
    assert not all(torch.allclose(one[key].float(), other[key].float(), rtol=1e-3) for key in one)
    assert made("sftn", warmup=0.5).on_host() and not made("sftn").on_host()
    assert made("sckd", inner="kdsvd").on_host()


@spec
class Reading(CE):
    """Cross entropy that reads a number from the device in every step."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        terms = super().terms(extras, context)
        return terms | {"zero": terms["ce"] * 0 * float(terms["ce"].detach())}


@pytest.mark.parametrize("method", [Reading(), made("kdsvd")], ids=["reads", "decomposes"])
def test_what_waits_for_the_device_cannot_be_recorded(method: Method) -> None:
    with pytest.raises(WaitsError):
        trained([method], tapes=Tapes())


def test_the_fault_of_a_replayed_step_is_told_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth batch's images are NaN: the second replay."""
    whole = Loader.epoch

    def poisoned(self: Loader, number: int) -> Any:
        for place, batch in enumerate(whole(self, number)):
            yield replace(batch, images=batch.images * torch.nan) if place == 3 else batch

    monkeypatch.setattr(Loader, "epoch", poisoned)
    one = learner(CE(), NET, DATASET, RECIPE, foreign=False)
    cohort = Cohort(((one,),), Loader(DATASET, batch_size=4, data_seed=0), foreign=False)
    train(cohort, DATASET, [], Manner(recorder=Tapes()))
    assert one.failure is not None and one.failure.startswith("epoch 1: term 'ce' was not finite from step 4 on; ")


def test_a_learning_rate_on_the_device_is_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the fused optimiser moves as the usual one of a processor, to rounding."""
    ends = []
    for there in (True, False):
        monkeypatch.setattr(updates, "on_device", lambda device, there=there: there)
        (state,), rows = trained([KD()])
        ends.append((state, rows[0]["lr"]))
    assert ends[0][1] == ends[1][1]
    for key, value in ends[1][0].items():
        if key.startswith("net."):
            torch.testing.assert_close(ends[0][0][key], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_state_is_taken_back_to_where_the_optimiser_has_it(kind: Any) -> None:
    """An interrupted training goes on with the same bits."""
    recipe = replace(RECIPE, epochs=2, optimiser=kind, learning_rate=1e-3)
    whole = learner(CE(), NET, DATASET, recipe, foreign=False)
    loader = Loader(DATASET, batch_size=4, data_seed=0)
    states = []
    ear = Ear(lambda one, row: states.append({k: v.clone() for k, v in one.state()[0].items()}))
    train(Cohort(((whole,),), loader, foreign=False), DATASET, [ear], Manner(recorder=Tapes(), test_every=9))
    later: Learner = learner(CE(), NET, DATASET, recipe, seed=1, foreign=False)
    later.restore(states[0], {"stage": 0, "epoch": 1, "total": 1})
    train(Cohort(((later,),), loader, foreign=False), DATASET, [], Manner(recorder=Tapes(), test_every=9))
    for key, value in later.state()[0].items():
        assert key == "random" or torch.equal(value, states[1][key]), key
