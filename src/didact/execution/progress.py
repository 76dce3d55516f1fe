"""The progress of jobs as plain values. A job's work sends these events; each can be pickled, so it
may run in another process.

Every event carries the number of its job. Events of several jobs may be mixed; those of one job
come in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from didact.engine.learner import Learner
from didact.engine.train import Listener
from didact.runs.run import Run


@dataclass(frozen=True)
class JobBegins:
    """A job begins to train ``runs``, which learn from ``teacher`` if any."""

    job: int
    runs: tuple[Run, ...]
    teacher: Run | None


@dataclass(frozen=True)
class EpochBegins:
    """``epoch``, from 0, of ``epochs`` begins for the runs with these digests; it has ``steps``
    steps.
    """

    job: int
    epoch: int
    epochs: int
    steps: int
    runs: tuple[str, ...]


@dataclass(frozen=True)
class StepEnds:
    """``step`` steps of the epoch are done. The number is absolute, so an executor may leave some
    of these events out.
    """

    job: int
    step: int


@dataclass(frozen=True)
class Learned:
    """The run with this digest has ended an epoch, with the metrics ``row``; ``done``: it was its
    last epoch.
    """

    job: int
    run: str
    row: Mapping[str, Any]
    done: bool


@dataclass(frozen=True)
class Failed:
    """The run with this digest has stopped."""

    job: int
    run: str
    reason: str


@dataclass(frozen=True)
class JobEnds:
    """The training that began with :class:`JobBegins` has ended, also when an error or an interrupt
    ended it.
    """

    job: int


@dataclass(frozen=True)
class Said:
    """A line for the user: a damaged file, a wait for another process."""

    job: int
    text: str


Event = JobBegins | EpochBegins | StepEnds | Learned | Failed | JobEnds | Said

Show = Callable[[Event], object]
"""What progress is reported to: a terminal, a tracker. It heeds the events that it knows and no
others.
"""


def unseen(event: Event) -> None:
    """The Show that shows nothing."""


class Reporter(Listener):
    """Turns the callbacks of one job's training into events.

    Args:
        digests: of the runs, by the labels of their learners.
    """

    def __init__(self, job: int, digests: Mapping[str, str], show: Show) -> None:
        self.job = job
        self.digests = digests
        self.show = show
        self.step = 0

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None:
        self.step = 0
        runs = tuple(self.digests[learner.label] for learner in learners)
        self.show(EpochBegins(self.job, epoch, epochs, steps, runs))

    def step_ends(self) -> None:
        self.step += 1
        self.show(StepEnds(self.job, self.step))

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.show(Learned(self.job, self.digests[learner.label], row, learner.done))

    def failed(self, learner: Learner) -> None:
        assert learner.failure is not None
        self.show(Failed(self.job, self.digests[learner.label], learner.failure))
