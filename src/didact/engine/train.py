"""The loop. A cohort's learners share the batches and one teacher pass; each could be trained alone
with the same result.

    for epoch in epochs:
        listeners: epoch_begins(epoch)
        for batch in loader.epoch(epoch):                      augmented once, the same for all learners
            one pass of teacher.at(epoch) without gradient
            for group in groups: forward, terms, backward, optimiser step
            listeners: step_ends()
        for learner in learners that are still finite:         of the others, listeners: failed(learner)
            row  = mean terms, accuracies, times
            row |= accuracies on test and validation images
            row |= teacher.end_epoch(epoch, learner)           a route moves on
            listeners: learned(learner, row)                   a checkpoint, a line on the terminal
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from didact.data import Dataset, Loader, MixedLoader, PartlyLabelled, evaluation_batches
from didact.engine.captured import Captured, Recorder
from didact.engine.evaluate import evaluate, refresh, watched
from didact.engine.faults import agreed, broken, speechless, stop
from didact.engine.lanes import Lanes, OneLane
from didact.engine.learner import Learner
from didact.engine.tally import Tally
from didact.engine.teach import Answers
from didact.engine.whole import Steps
from didact.method import Teacher
from didact.nets.blocks import BlockNet
from didact.nets.folded import folded
from didact.seeds import preserved, reseed

EFFORT = frozenset({"seconds", "cpu_seconds", "images_per_second", "learners"})
"""The metrics of an epoch that say what it took, not what came of it."""


class Listener:
    """Callbacks of a training. Each does nothing until a subclass overrides it.

    Listeners change neither learners nor rows, so their order changes no result.
    """

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None:
        """``learners`` begin ``epoch``, counted from 0, of ``epochs``; it has ``steps`` steps."""

    def step_ends(self) -> None:
        """All learners of the epoch have made one step."""

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        """A learner has ended an epoch in good health; ``row`` holds the metrics of the epoch."""

    def failed(self, learner: Learner) -> None:
        """A learner is stopped; ``learner.failure`` says why."""


class Fixed:
    """A teacher that stays the same: one frozen network for all epochs, prepared for inference.

    Args:
        prepare: gives the network that is shown in its place.
    """

    def __init__(self, net: BlockNet, prepare: Callable[[BlockNet], BlockNet] = folded) -> None:
        self._shown = prepare(net)

    def at(self, epoch: int) -> BlockNet:
        """The same network in every epoch."""
        return self._shown

    def end_epoch(self, epoch: int, deployed: Callable[[], nn.Module]) -> dict[str, int | float]:
        """No metrics."""
        return {}


@dataclass(frozen=True)
class Manner:
    """How a cohort's steps are given to the device. Changes no result.

    Attributes:
        recorder: records a step and replays it; None: every step is computed as it is.
        lanes: where groups run in a step.
        test_every: epochs between evaluations.
    """

    recorder: Recorder | None = None
    lanes: Lanes = field(default_factory=OneLane)
    test_every: int = 1


USUAL = Manner()


@dataclass(frozen=True)
class Cohort:
    """Learners that share batches and one teacher pass.

    Attributes:
        groups: learners that read each other's outputs form a group, in the order of their turns,
            and go on and stop together; every other learner is a group of its own.
        loader: the batches, the same for all learners.
        teacher: the teacher of all learners; None when no method reads one.
        foreign: whether the teacher's network is the user's own code and may draw from the
            process's global generators.
        answers: gives the teacher's kept answers for an epoch, counted from 0; None where none are
            kept.
    """

    groups: tuple[tuple[Learner, ...], ...]
    loader: Loader | MixedLoader | PartlyLabelled
    teacher: Teacher | None = None
    foreign: bool = True
    answers: Callable[[int], AbstractContextManager[Answers | None]] | None = None

    @property
    def learners(self) -> list[Learner]:
        """The networks that train together."""
        return [learner for group in self.groups for learner in group]


def train(cohort: Cohort, dataset: Dataset, listeners: Sequence[Listener], manner: Manner = USUAL) -> None:
    """Train every learner of the cohort to its end. Learners may be at different epochs (after an
    interruption).

    A learner is stopped at the end of an epoch in which its loss, weights or running statistics are
    not finite, or at its end when images have no finite answer. Its group is stopped with it, the
    others go on, and what was kept before stays. Afterwards the global random generators are as
    they were before.
    """
    with preserved(cohort.learners[0].device):
        learners = cohort.learners
        for epoch in range(min(learner.total for learner in learners), max(learner.epochs for learner in learners)):
            groups = [group for group in cohort.groups if all(_takes_part(learner, epoch) for learner in group)]
            if groups:
                _train_epoch(cohort, groups, dataset, epoch, listeners, manner)


def _takes_part(learner: Learner, epoch: int) -> bool:
    return learner.failure is None and not learner.done and learner.total == epoch


def _train_epoch(
    cohort: Cohort,
    groups: Sequence[tuple[Learner, ...]],
    dataset: Dataset,
    epoch: int,
    listeners: Sequence[Listener],
    manner: Manner,
) -> None:
    active = [learner for group in groups for learner in group]
    began, worked = time.perf_counter(), time.process_time()
    for listener in listeners:
        listener.epoch_begins(epoch, max(learner.epochs for learner in cohort.learners), len(cohort.loader), active)
    refresh(groups, dataset)
    tallies = _steps(cohort, groups, epoch, listeners, manner)
    _merge(active, tallies)
    faults = agreed(active, [tallies[learner.label].fault() or broken(learner) for learner in active])
    seconds, worked = time.perf_counter() - began, time.process_time() - worked  # after a GPU was waited for
    _tell(stop(groups, faults, epoch), listeners)
    healthy = [learner for learner in active if learner.failure is None]
    rows = [_row(learner, tallies[learner.label], seconds, worked, len(active)) for learner in healthy]
    for learner in healthy:
        learner.end_epoch()
    for row, tested in zip(rows, _test(healthy, dataset, epoch, manner.test_every), strict=True):
        row |= tested
    faults = agreed(healthy, [speechless(learner, row) for learner, row in zip(healthy, rows, strict=True)])
    _tell(stop(groups, faults, epoch), listeners)
    for learner, row in zip(healthy, rows, strict=True):
        if learner.failure is None:
            if cohort.teacher is not None:
                with learner.averaged():
                    row |= cohort.teacher.end_epoch(epoch, learner.deployed)
            for listener in listeners:
                listener.learned(learner, row)


def _tell(stopped: Sequence[Learner], listeners: Sequence[Listener]) -> None:
    for learner in stopped:
        for listener in listeners:
            listener.failed(learner)


def _steps(
    cohort: Cohort, groups: Sequence[tuple[Learner, ...]], epoch: int, listeners: Sequence[Listener], manner: Manner
) -> dict[str, Tally]:
    """All steps of an epoch. Returns the sums of each learner by its label."""
    active = [learner for group in groups for learner in group]
    tallies = {learner.label: Tally(learner.device) for learner in active}
    teacher = cohort.teacher.at(epoch) if cohort.teacher is not None else None
    for learner in active:
        learner.train_mode()
    with ExitStack() as within:
        if manner.recorder is not None:
            within.enter_context(manner.recorder.running())
        answers = None if cohort.answers is None else within.enter_context(cohort.answers(epoch))
        draw_for = partial(_draw_for, cohort, epoch)
        steps = Steps(groups, len(cohort.loader), tallies, teacher, draw_for, answers, manner.lanes)
        take = steps if manner.recorder is None else Captured(steps, manner.recorder)
        for step, batch in enumerate(cohort.loader.epoch(epoch)):
            take(batch, step)
            for listener in listeners:
                listener.step_ends()
    return tallies


def _merge(active: Sequence[Learner], tallies: dict[str, Tally]) -> None:
    """Bring together what the processes of a training have counted and gathered, each for itself."""
    processes = active[0].processes
    if processes.size > 1:
        for learner in active:
            learner.settle()
        found = processes.gather([tallies[learner.label].plain() for learner in active])
        for number, learner in enumerate(active):
            tallies[learner.label].merge([plain[number] for plain in found])


def _draw_for(cohort: Cohort, epoch: int, step: int, what: str) -> None:
    """Put the global generators at the start of a stream for one pass of the teacher, the same for
    all students.
    """
    if cohort.foreign:
        reseed(cohort.loader.data_seed, "teacher", epoch, step, what, device=cohort.learners[0].device)


def _row(learner: Learner, tally: Tally, seconds: float, worked: float, learners: int) -> dict[str, Any]:
    """The metrics of an epoch. ``seconds``: the whole cohort's; ``worked``: processor seconds of
    the process, all threads together; images/s counts the images of all learners.
    """
    terms = tally.means()
    figures = watched(learner)
    return {
        "epoch": learner.total + 1,
        "stage": learner.stage.name,
        "loss": sum(terms.values()),
        "terms": terms,
        **({"watched": figures} if figures else {}),
        **tally.accuracies.percentages("train"),
        **({"bits": learner.recipe.bits} if learner.recipe.bits != 32 else {}),
        "lr": learner.updates.rate,
        **learner.updates.figures(),
        "seconds": round(seconds, 4),
        "cpu_seconds": round(worked, 4),
        "images_per_second": round(tally.images * learners / seconds, 1),
        "learners": learners,
    }


def _test(learners: Sequence[Learner], dataset: Dataset, epoch: int, every: int) -> list[dict[str, float]]:
    """Accuracies after an epoch on the test set, and on the validation split if any. The last epoch
    is always tested.
    """
    place = {"turn": learners[0].processes.rank, "turns": learners[0].processes.size} if learners else {}
    due = [learner for learner in learners if learner.done or (epoch + 1) % every == 0]
    rows: dict[str, dict[str, float]] = {learner.label: {} for learner in learners}
    if due:
        with torch.no_grad():
            for prefix, split in (("test", dataset.test), ("validation", dataset.validation)):
                if split is not None:
                    tested = evaluate(due, evaluation_batches(dataset, split, **place), prefix)
                    for learner, row in zip(due, tested, strict=True):
                        rows[learner.label] |= row
    return [rows[learner.label] for learner in learners]
