"""The laws on a GPU. Each also runs on the processor, with one method and stand-ins for what only a GPU has, so that it is known
to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.data import Data, Loader, load
from didact.engine import updates
from didact.engine.captured import CudaGraphs
from didact.engine.evaluate import evaluate
from didact.engine.lanes import OneLane, Streams
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.tally import Tally
from didact.engine.train import Cohort, Fixed, Manner, train
from didact.engine.whole import Steps
from didact.execution import Execution, execute
from didact.execution.kernels import kernels
from didact.runs.run import Run
from didact.seeds import deterministic
from didact.store.store import Store
from support.kept import Killed, same, weights
from support.tape import NoWaits, Tapes
from support.training import hears, learner, taught
from support.walk import ALONE, made

pytestmark = pytest.mark.usefixtures("few_digits")

CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")])
each = pytest.mark.parametrize("device", ["cpu", CUDA])
RECORDABLE = [name for name in ALONE if not made(name).on_host()]
METHODS: list[Any] = ["ce", "kd", "fitnet+kd", "at+kd", "crd", "sp+kd", {"name": "sftn", "student": "resnet8"}]
NET = "basic-8-1x8-1x12-1x16"
RECIPE = Recipe(epochs=2, batch_size=4, schedule="one-cycle", clip=1.0)


@pytest.fixture(autouse=True)
def rates_are_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the processor as on a GPU."""
    monkeypatch.setattr(updates, "on_device", lambda device: True)


def some(names: list[Any], device: str) -> list[Any]:
    """All on a GPU, the second alone on the processor."""
    return names if device == "cuda" else names[1:2]


def runs(tiny: Callable[..., Run], device: str, precision: str = "fp32") -> list[Run]:
    """One of each method, of one teacher."""
    recipe = Recipe(epochs=2, batch_size=16, schedule="one-cycle", precision=precision)  # type: ignore[arg-type]
    teacher = tiny(seed=100, recipe=recipe)
    return [tiny(m, recipe=recipe, **({"teacher": teacher} if m in METHODS[1:-1] else {})) for m in some(METHODS, device)]


# ------------------------------------------------------------------------------------------------ whole requests


@each
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("more", [{}, {"capture": "on", "streams": True}], ids=["plain", "recorded"])
def test_alone_equals_cohort(tiny: Callable[..., Run], tmp_path: Path, device: str, precision: str, more: Any) -> None:
    """With deterministic kernels, bitwise."""
    if device == "cpu" and (more or precision == "bf16"):
        return  # settings of a GPU
    asked = runs(tiny, device, precision)
    execution = Execution(device=device, deterministic=True, test_every=9, **more)
    together = Store(tmp_path / "together")
    execute(asked, together, execution)
    for number, run in enumerate(asked):
        alone = Store(tmp_path / f"alone{number}")
        execute([run], alone, replace(execution, cohort_size=1))
        assert same(weights(alone, run), weights(together, run)), run.label


@each
def test_resumed_equals_uninterrupted(tiny: Callable[..., Run], tmp_path: Path, device: str) -> None:
    asked = runs(tiny, device)
    execution = Execution(device=device, deterministic=True, test_every=9)
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    execute(asked, whole, execution)
    ended = 0

    def after(event: Any) -> None:
        nonlocal ended
        ended += event.run in {run.digest for run in asked}
        if ended == len(asked):
            raise Killed

    with pytest.raises(Killed):
        execute(asked, broken, execution, hears(after))
    execute(asked, broken, execution)
    for run in asked:
        assert same(weights(whole, run), weights(broken, run)), run.label


@each
def test_it_computes_what_a_processor_does(tiny: Callable[..., Run], tmp_path: Path, device: str) -> None:
    """The same initialisation and the same batches: the first epoch's losses agree to rounding."""
    run = tiny("at+kd")
    losses = []
    for place in ("cpu", device):
        answer = execute([run], Store(tmp_path / f"{len(losses)}"), Execution(device=place, test_every=9))
        losses.append(answer.records[run.digest].metrics()[0]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)


# ------------------------------------------------------------------------------------------------ steps


def cohort(names: list[str], device: str, recipe: Recipe = RECIPE) -> tuple[Cohort, list[Learner]]:
    """Learners of 18 images: four batches of 4 and one of 2."""
    dataset = load(Data(name="digits", per_class=2, classes=9), device)
    teacher, shapes = taught("resnet8", dataset.image, 9)
    on_host = replace(dataset, train=load(dataset.data).train)
    learners = [
        learner(made(m), NET, on_host, recipe, teacher=(teacher, shapes), label=m, seed=n, device=device, foreign=False)
        for n, m in enumerate(names)
    ]
    views = frozenset[str]().union(*(one.views for one in learners))
    loader = Loader(dataset, batch_size=recipe.batch_size, data_seed=0, views=views)
    shown = Fixed(teacher.to(device, memory_format=torch.channels_last))  # type: ignore[call-overload]
    return Cohort(tuple((one,) for one in learners), loader, shown, foreign=False), learners


def ends(names: list[str], device: str, manner: Manner) -> list[dict[str, torch.Tensor]]:
    """The states of a cohort's learners after its training, by deterministic kernels."""
    whole, learners = cohort(names, device)
    with deterministic():
        train(whole, load(Data(name="digits", per_class=2, classes=9), device), [], manner)
    return [one.state()[0] for one in learners]


def equal(one: list[dict[str, torch.Tensor]], other: list[dict[str, torch.Tensor]]) -> None:
    assert one and all(same(a, b) for a, b in zip(one, other, strict=True))


@each
def test_recorded_steps_equal_eager_ones(device: str) -> None:
    """Every method that can be recorded, as one cohort, bitwise; extras, momentum and random streams, too."""
    names = some(RECORDABLE, device)
    recorder = CudaGraphs(torch.device(device)) if device == "cuda" else Tapes()
    equal(ends(names, device, Manner(test_every=99)), ends(names, device, Manner(recorder, test_every=99)))


@each
def test_streams_equal_none(device: str) -> None:
    names = some(RECORDABLE, device)
    lanes = Streams(torch.device(device), len(names)) if device == "cuda" else OneLane()
    equal(ends(names, device, Manner(test_every=99)), ends(names, device, Manner(lanes=lanes, test_every=99)))


@contextmanager
def no_waits(device: str) -> Iterator[None]:
    """An operation for which the host waits is an error."""
    if device == "cpu":
        with NoWaits():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@each
@pytest.mark.parametrize("names", [RECORDABLE, ["kd"]], ids=["cohort", "one"])
def test_nothing_waits_within_an_epoch(device: str, names: list[str]) -> None:
    """From the first batch to the last, whose tallies are then read."""
    names = some(names, device) or names
    whole, learners = cohort(names, device)
    assert whole.teacher is not None
    tallies = {one.label: Tally(one.device) for one in learners}
    steps = Steps(whole.groups, len(whole.loader), tallies, whole.teacher.at(0))
    for one in learners:
        one.train_mode()
    with no_waits(device):
        for step, batch in enumerate(whole.loader.epoch(0)):
            steps(batch, step)
    assert all(tally.fault() is None and tally.images == 18 for tally in tallies.values())


@each
def test_images_and_batches_are_on_the_device(device: str) -> None:
    whole, _ = cohort(["kd"], device)
    dataset = load(Data(name="digits", per_class=2, classes=9), device)
    assert dataset.train.resident and dataset.test.resident  # type: ignore[union-attr]
    tensors = [x for b in whole.loader.epoch(0) for x in (b.images, b.labels, b.index)]
    tensors += [dataset.train.images, dataset.test.images]  # type: ignore[union-attr]
    assert {x.device.type for x in tensors} == {device}


@each
def test_every_method_takes_its_stages_and_answers(device: str) -> None:
    """The walk of the catalogue, gtn and kdsvd included: epochs of every stage, the test, the state."""
    names = ALONE if device == "cuda" else ["kd"]
    whole, learners = cohort(names, device)
    dataset = load(Data(name="digits", per_class=2, classes=9), device)
    train(whole, dataset, [], Manner(test_every=1))
    for one in learners:
        assert one.failure is None and one.done, one.label
        tensors, values = one.state()
        assert {v.device.type for k, v in tensors.items() if k != "random"} <= {device, "cpu"}
        one.restore(tensors, values)
    (row, *_) = evaluate(learners, Loader(dataset, batch_size=4, data_seed=0).epoch(0), "test")
    assert 0 <= row["test_top1"] <= 100


@each
def test_tf32_is_said_and_taken_back(device: str) -> None:
    """On a GPU that has it, products in TF32 are other ones than those of float32."""
    a, b = (torch.randn(256, 256, device=device) for _ in range(2))
    products = []
    for tf32 in (False, True, False):
        with kernels(deterministic=True, tf32=tf32):
            products.append(a @ b)
    assert torch.equal(products[0], products[2])
    exact = (a.double() @ b.double()).float()
    assert (products[0] - exact).abs().max() <= (products[1] - exact).abs().max()
