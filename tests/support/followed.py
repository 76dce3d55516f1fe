"""For tests of trackers: the events of a training of two runs, one of which fails, and a tracker that takes notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from didact.execution.progress import EpochBegins, Event, Failed, JobBegins, JobEnds, Learned, StepEnds, unseen
from didact.runs.run import Run
from didact.track.tracker import State, Tracked, Tracker
from support.tiny import make

FIRST, SECOND = make("kd", seed=0), make("kd", seed=1)
NAN = float("nan")


def row(epoch: int, **more: Any) -> dict[str, Any]:
    """Metrics as the engine gives them."""
    return {"epoch": epoch, "stage": "main", "loss": 1.0 / epoch, "terms": {"kd": 0.25, "ce": NAN}, "lr": 0.1, **more}


def begins(*runs: Run) -> JobBegins:
    return JobBegins(0, runs, runs[0].teacher)


EVENTS: Sequence[Event] = (
    begins(FIRST, SECOND),
    EpochBegins(0, 0, 2, 4, (FIRST.digest, SECOND.digest)),
    StepEnds(0, 4),
    Learned(0, FIRST.digest, row(1), False),
    Learned(0, SECOND.digest, row(1), False),
    Failed(0, SECOND.digest, "epoch 2: NaN"),
    Learned(0, FIRST.digest, row(2, test_top1=61.5), True),
    JobEnds(0),
)
INTERRUPTED: Sequence[Event] = (begins(FIRST), Learned(0, FIRST.digest, row(1), False), JobEnds(0))
GOES_ON: Sequence[Event] = (begins(FIRST), Learned(0, FIRST.digest, row(2, test_top1=61.5), True), JobEnds(0))


def followed(tracker: Tracker, events: Sequence[Event] = EVENTS) -> list[str]:
    """Feed the tracker; returns what was said."""
    said: list[str] = []
    with Tracked(unseen, {"it": tracker}, said.append) as show:
        for event in events:
            show(event)
    return said


class Notes:
    """A tracker that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def begins(self, run: Run) -> None:
        self.lines.append(("begins", run.seed))

    def learned(self, run: Run, epoch: int, figures: Mapping[str, float]) -> None:
        self.lines.append((run.seed, epoch, dict(figures)))

    def ends(self, run: Run, state: State, reason: str) -> None:
        self.lines.append((run.seed, state, reason))

    def close(self) -> None:
        self.lines.append("close")
