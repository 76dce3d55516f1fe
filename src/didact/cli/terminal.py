"""Progress for people: bars on a terminal, plain lines in a pipe. The same events reach both."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as RichTable
from rich.text import Text

from didact.cli.streams import fitted, lines, say
from didact.engine.learner import Learner
from didact.spec import clean
from didact.studies.labels import teacher_label
from didact.studies.run import Run, method_label
from didact.studies.table import Table, cells


class Screen(Console):
    """A console that prints text as it is: no markup, no emoji codes, control characters escaped, in the stream's encoding."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string comes by here, also the cells of tables: it is replaced before its width is measured."""
        return super().render_str(fitted(lines(text), self.encoding), **options)


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


def print_table(console: Console, table: Table) -> None:
    """A comparison as a table, with what its ± covers below."""
    head, body = cells(table)
    drawn = RichTable()
    for position, name in enumerate(head):
        drawn.add_column(name, justify="left" if position == 0 else "right", overflow="fold")
    for row in body:
        drawn.add_row(*row)
    console.print(table.title, style="bold")
    console.print(drawn)
    console.print(table.covers)


def stdout() -> Console:
    """A console on standard output, wide enough in a pipe that tables are not squeezed."""
    return Screen(width=None if sys.stdout.isatty() else 160)


def stderr() -> Console:
    return Screen(stderr=True, soft_wrap=True)


def print_rows(heading: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    drawn = RichTable()
    for name in heading:
        drawn.add_column(name, overflow="fold")  # an address is of use only when it is whole
    for row in rows:
        drawn.add_row(*map(str, row))
    if title:
        stdout().print(title, style="bold")
    stdout().print(drawn)


def print_details(found: dict[str, Any], indent: str = "") -> None:
    """Nested values as indented lines; unprintable characters in them are spelt out."""
    for key, value in found.items():
        if isinstance(value, dict):
            say(f"{indent}{clean(key)}:")
            print_details(value, indent + "  ")
        elif isinstance(value, list):
            values = (f"{v:g}" if isinstance(v, float) else clean(v) for v in value)
            say(f"{indent}{clean(key)}: {', '.join(values)}")
        elif value is not None:
            say(f"{indent}{clean(key)}: {clean(value)}")


def print_hints(store: Path, picture: Path | None) -> None:
    """Where everything lies, and what to try next."""
    told = [
        f"Records (weights, metrics, specs): {store / 'runs'}",
        *([f"Picture: {picture}"] if picture else []),
        "Next:",
        f"  didact list runs --store {store}",
        f"  didact compare --store {store}",
        "  didact quickstart --data cifar100",
        "  didact train --net resnet8 --teacher.net resnet20 --teacher.how standard,sftn --method kd,at+kd,sp+kd --seeds 3",
        "  didact train --help",
    ]
    say("\n".join(told))
