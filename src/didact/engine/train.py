"""The loop. A cohort's learners share the batches and one teacher pass; each could be trained alone with the same result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch

from didact.data import Dataset, Loader, evaluation_batches
from didact.engine.evaluate import evaluate, refresh
from didact.engine.learner import Learner
from didact.engine.step import Tally, advance, teach
from didact.method import Teacher
from didact.nets.blocks import BlockNet
from didact.nets.folded import folded
from didact.seeds import preserved, reseed


class Listener(Protocol):
    """Who is told how a training goes: the store, which keeps it, and the terminal, which shows it."""

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None: ...
    def step_ends(self) -> None: ...
    def learned(self, learner: Learner, row: dict[str, Any]) -> None: ...
    def failed(self, learner: Learner) -> None: ...


class Fixed:
    """A teacher that stays the same: the same frozen network in every epoch, prepared for inference."""

    def __init__(self, net: BlockNet) -> None:
        self._shown = folded(net)

    def at(self, epoch: int) -> BlockNet:
        return self._shown


@dataclass(frozen=True)
class Cohort:
    """Learners that share batches and one teacher pass.

    Attributes:
        groups: learners that read each other's outputs form a group, in the order of their turns, and go on and stop
            together; all others are a group of their own.
        loader: the batches, the same for everybody.
        teacher: who is shown to them; None when nobody reads a teacher.
        foreign: whether the teacher's network is not didact's own and may draw from the process's global generators.
    """

    groups: tuple[tuple[Learner, ...], ...]
    loader: Loader
    teacher: Teacher | None = None
    foreign: bool = True

    @property
    def learners(self) -> list[Learner]:
        return [learner for group in self.groups for learner in group]


def train(cohort: Cohort, dataset: Dataset, listeners: Sequence[Listener], *, test_every: int = 1) -> None:
    """Train every learner of the cohort to its end. Learners may be at different epochs (after an interruption).

    A learner whose loss, weights or running statistics are not finite is stopped at the end of that epoch, and its group with it;
    what was kept before it stays. So is one that at its end has images without a finite answer. The others go on.
    The global random generators are as they were afterwards.
    """
    with preserved(cohort.learners[0].device):
        _train(cohort, dataset, listeners, test_every)


def _train(cohort: Cohort, dataset: Dataset, listeners: Sequence[Listener], test_every: int) -> None:
    learners = cohort.learners
    for epoch in range(min(one.total for one in learners), max(one.epochs for one in learners)):
        groups = [g for g in cohort.groups if all(not o.failure and not o.done and o.total == epoch for o in g)]
        if not groups:
            continue
        active = [learner for group in groups for learner in group]
        began, worked = time.perf_counter(), time.process_time()
        for listener in listeners:
            listener.epoch_begins(epoch, max(o.epochs for o in learners), len(cohort.loader), active)
        refresh(groups, dataset)
        tallies = _epoch(cohort, groups, epoch, listeners)
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        _stop(groups, {one.label: tallies[one.label].fault() or _broken(one) for one in active}, epoch, listeners)
        healthy = [one for one in active if one.failure is None]
        rows = [_row(one, tallies[one.label], seconds, worked, len(active)) for one in healthy]
        for one in healthy:
            one.end_epoch()
        for row, tested in zip(rows, _test(healthy, dataset, epoch, test_every), strict=True):
            row |= tested
        _stop(groups, {one.label: _speechless(one, row) for one, row in zip(healthy, rows, strict=True)}, epoch, listeners)
        for one, row in zip(healthy, rows, strict=True):
            for listener in listeners if one.failure is None else ():
                listener.learned(one, row)


def _epoch(
    cohort: Cohort, groups: Sequence[tuple[Learner, ...]], epoch: int, listeners: Sequence[Listener]
) -> dict[str, Tally]:
    active = [learner for group in groups for learner in group]
    tallies = {one.label: Tally(one.device) for one in active}
    teacher = cohort.teacher.at(epoch) if cohort.teacher is not None else None
    for one in active:
        one.train_mode()
    steps = len(cohort.loader)
    for step, batch in enumerate(cohort.loader.epoch(epoch)):
        taught = teach(teacher, batch, active, active[0].recipe.precision, partial(_draw_for, cohort, epoch, step))
        for group in groups:
            advance(group, batch, taught, step, steps, tallies)
        for listener in listeners:
            listener.step_ends()
    return tallies


def _draw_for(cohort: Cohort, epoch: int, step: int, what: str) -> None:
    """Put the global generators at the start of a stream for one pass of the teacher, the same whoever is taught."""
    if cohort.foreign:
        reseed(cohort.loader.data_seed, "teacher", epoch, step, what, device=cohort.learners[0].device)


def _broken(one: Learner) -> str | None:
    """What of the network is not finite. A mask of -inf among its buffers is meant; NaN and +inf are not."""
    for name, parameter in one.net.named_parameters():
        if not parameter.isfinite().all():
            return f"the weight '{name}' was not finite at the end"
    for name, buffer in one.net.named_buffers():
        if buffer.is_floating_point() and not (buffer < torch.inf).all():
            return f"the buffer '{name}' was not finite at the end"
    return None


def _speechless(one: Learner, row: dict[str, Any]) -> str | None:
    """What a network that is done leaves without an answer. Before its end it may still find its way."""
    for split in ("test", "validation") if one.done else ():
        if images := row.get(f"{split}_unanswered"):
            return f"its logits were not finite for {images} {split} image{'s' if images > 1 else ''}"
    return None


def _stop(
    groups: Sequence[tuple[Learner, ...]], faults: dict[str, str | None], epoch: int, listeners: Sequence[Listener]
) -> None:
    """Stop the learners that have a fault, each with its group."""
    for group in groups:
        if any(one.failure is not None for one in group):
            continue
        for one in group:
            if faults[one.label] is not None:
                one.failure = f"epoch {epoch + 1}: {faults[one.label]}"
        first = next((one for one in group if one.failure is not None), None)
        if first is not None:
            for one in group:
                one.failure = one.failure or f"its peer {first.label} stopped in {first.failure}"
                for listener in listeners:
                    listener.failed(one)


def _row(one: Learner, tally: Tally, seconds: float, worked: float, learners: int) -> dict[str, Any]:
    """One line of metrics. ``seconds`` is the epoch of the whole cohort, ``worked`` what its process used of the processor
    (all threads together); images/s counts every learner's images."""
    terms = tally.means()
    accuracies = tally.accuracies()
    one.draw_for("watches")
    with torch.no_grad():
        watched = {name: float(value) for name, value in one.method.metrics(one.extras).items()}
    scores = {} if accuracies is None else {"train_top1": accuracies[0], "train_top5": accuracies[1]}
    return {
        "epoch": one.total + 1,
        "stage": one.stage.name,
        "loss": sum(terms.values()),
        "terms": terms,
        **({"watched": watched} if watched else {}),
        **scores,
        "lr": one.optimiser.param_groups[0]["lr"],
        "seconds": round(seconds, 4),
        "cpu_seconds": round(worked, 4),
        "images_per_second": round(tally.images * learners / seconds, 1),
        "learners": learners,
    }


def _test(learners: Sequence[Learner], dataset: Dataset, epoch: int, every: int) -> list[dict[str, float]]:
    """Accuracies after an epoch on the test set, and the validation split if any. The last epoch is always tested."""
    due = [one for one in learners if one.done or (epoch + 1) % every == 0]
    rows: dict[str, dict[str, float]] = {one.label: {} for one in learners}
    if due:
        with torch.no_grad():
            for prefix, split in (("test", dataset.test), ("validation", dataset.validation)):
                if split is not None:
                    for one, row in zip(due, evaluate(due, evaluation_batches(dataset, split), prefix), strict=True):
                        rows[one.label] |= row
    return [rows[one.label] for one in learners]
