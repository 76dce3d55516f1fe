"""The progress of a training: bars on a terminal, plain lines in a pipe. The same events reach both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from didact.engine.learner import Learner
from didact.runs.labels import teacher_label
from didact.runs.run import Run, method_label


def show(console: Console) -> Bars | Lines:
    return Bars(console) if console.is_terminal else Lines(console)


def _heading(runs: Sequence[Run], teacher: Run | None) -> str:
    what = ", ".join(dict.fromkeys(f"{r.net} {method_label(r.method)}" for r in runs))
    seeds = sorted({r.seed for r in runs})
    of = f" from {teacher_label(teacher)}" if teacher else ""
    return f"{len(runs)} x [{what}]{of}, seeds {', '.join(map(str, seeds))}"


def _accuracy(rows: dict[str, dict[str, Any]]) -> str:
    tested = [r["test_top1"] for r in rows.values() if "test_top1" in r]
    if not tested:
        return ""
    low, high = min(tested), max(tested)
    return f"test {low:.1f} %" if len(tested) == 1 else f"test {low:.1f} to {high:.1f} %"


class Lines:
    """A line at the start of a cohort and one every few seconds at the end of an epoch."""

    every = 5.0  # seconds between lines, so that a log of a long training stays readable

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: dict[str, dict[str, Any]] = {}
        self.last = 0.0

    def cohort_begins(self, runs: Sequence[Run], teacher: Run | None) -> None:
        self.rows = {}
        self._print(f"training {_heading(runs, teacher)}: {runs[0].data.label}")

    def cohort_ends(self) -> None:
        pass

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None:
        if self.rows and time.monotonic() - self.last > self.every:
            rate = next(iter(self.rows.values()))["images_per_second"]
            self._print(f"  epoch {epoch}/{epochs}  {_accuracy(self.rows)}  {rate:.0f} images/s")
        self.rows = {k: v for k, v in self.rows.items() if k in {one.label for one in learners}}

    def step_ends(self) -> None:
        pass

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.rows[learner.label] = row
        if learner.done:
            self._print(f"  done {learner.label}: test {row['test_top1']:.2f} %")

    def failed(self, learner: Learner) -> None:
        self._print(f"  STOPPED {learner.label}: {learner.failure}; its last good state is kept")

    def _print(self, line: str) -> None:
        self.last = time.monotonic()
        self.console.print(line, soft_wrap=True)


class Bars:
    """One bar for the cohort: epochs done, steps within the epoch, accuracies so far, time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: dict[str, dict[str, Any]] = {}
        self.progress: Progress | None = None
        self.steps = 0

    def cohort_begins(self, runs: Sequence[Run], teacher: Run | None) -> None:
        self.rows = {}
        self.console.print(_heading(runs, teacher), style="bold", end="")
        self.console.print(f" · {runs[0].data.label}")
        columns = (TextColumn("  epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=self.console, transient=True)
        self.task = self.progress.add_task("", total=None, epoch="", note="")
        self.progress.start()

    def cohort_ends(self) -> None:
        assert self.progress is not None
        self.progress.stop()
        if self.rows:
            self.console.print("  done ", style="green", end="")
            self.console.print(_accuracy(self.rows))

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None:
        assert self.progress is not None
        self.steps = steps
        note = _accuracy(self.rows)
        self.progress.update(
            self.task, total=epochs * steps, completed=epoch * steps, epoch=f"{epoch + 1}/{epochs}", note=note
        )

    def step_ends(self) -> None:
        assert self.progress is not None
        self.progress.advance(self.task)

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.rows[learner.label] = row

    def failed(self, learner: Learner) -> None:
        self.console.print("  STOPPED ", style="red", end="")
        self.console.print(f"{learner.label}: {learner.failure}; its last good state is kept")
