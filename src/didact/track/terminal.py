"""Training progress as bars on a terminal and as plain lines in a pipe, from the same events."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from didact.execution.progress import EpochBegins, Event, Failed, JobBegins, JobEnds, Learned, StepEnds
from didact.nets import title
from didact.runs.labels import teacher_label
from didact.runs.run import Run
from didact.spec import full_name


def show(console: Console) -> Bars | Lines:
    """Bars if the console is a terminal, otherwise lines."""
    return Bars(console) if console.is_terminal else Lines(console)


def _heading(runs: Sequence[Run], teacher: Run | None) -> str:
    networks = ", ".join(dict.fromkeys(f"{title(run.net)} {full_name(run.method)}" for run in runs))
    seeds = sorted({run.seed for run in runs})
    source = f" from {teacher_label(teacher, runs[0])}" if teacher else ""
    return f"{len(runs)} x [{networks}]{source}, seeds {', '.join(map(str, seeds))}"


class _Job:
    """The state of a running job: its learners by digest, and the last metrics of each."""

    def __init__(self, begins: JobBegins) -> None:
        self.number = begins.job
        self.heading = _heading(begins.runs, begins.teacher)
        self.learners = {run.digest: f"{run.label}.{run.digest}" for run in begins.runs}
        self.rows: dict[str, Mapping[str, Any]] = {}

    @property
    def accuracy(self) -> str:
        tested = [row["test_top1"] for row in self.rows.values() if "test_top1" in row]
        if not tested:
            return ""
        low, high = min(tested), max(tested)
        return f"test {low:.1f} %" if len(tested) == 1 else f"test {low:.1f} to {high:.1f} %"

    def failure(self, event: Failed) -> str:
        return f"{self.learners[event.run]}: {event.reason}; its last good state is saved"


class Lines:
    """A line at the start of each job, and at the end of an epoch if the last line is a few seconds
    old."""

    every = 5.0  # seconds between lines, so that the log of a long training stays short

    def __init__(self, console: Console) -> None:
        self.console = console
        self.jobs: dict[int, _Job] = {}
        self.last = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case JobBegins():
                job = self.jobs[event.job] = _Job(event)
                self._print(f"training {job.heading}: {event.runs[0].data.label}")
            case EpochBegins():
                self._epoch_begins(event, self.jobs[event.job])
            case Learned():
                job = self.jobs[event.job]
                job.rows[event.run] = event.row
                if event.done:
                    self._print(f"  done {job.learners[event.run]}: test {event.row['test_top1']:.2f} %")
            case Failed():
                self._print(f"  STOPPED {self.jobs[event.job].failure(event)}")
            case JobEnds():
                del self.jobs[event.job]
            case _:
                pass

    def _epoch_begins(self, event: EpochBegins, job: _Job) -> None:
        if job.rows and time.monotonic() - self.last > self.every:
            rate = next(iter(job.rows.values()))["images_per_second"]
            which = f"  {job.heading}" if len(self.jobs) > 1 else ""
            self._print(f"  epoch {event.epoch}/{event.epochs}  {job.accuracy}  {rate:.0f} images/s{which}")
        job.rows = {run: row for run, row in job.rows.items() if run in event.runs}

    def _print(self, line: str) -> None:
        self.last = time.monotonic()
        self.console.print(line, soft_wrap=True)


class Bars:
    """A bar for each job, with its epoch, steps, accuracies so far and remaining time."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.jobs: dict[int, _Job] = {}
        self.tasks: dict[int, TaskID] = {}
        self.done: dict[int, int] = {}
        """Steps before the current epoch, by job."""
        self.progress: Progress | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case JobBegins():
                self._job_begins(event)
            case EpochBegins(job, epoch, epochs, steps):
                self.done[job] = epoch * steps
                self._update(
                    job,
                    total=epochs * steps,
                    completed=epoch * steps,
                    epoch=f"{epoch + 1}/{epochs}",
                    note=self._note(self.jobs[job]),
                )
            case StepEnds():
                self._update(event.job, completed=self.done[event.job] + event.step)
            case Learned():
                self.jobs[event.job].rows[event.run] = event.row
            case Failed():
                self._print("  STOPPED", "red", self.jobs[event.job].failure(event))
            case JobEnds():
                self._job_ends(self.jobs.pop(event.job), event.job)
            case _:
                pass

    def _job_begins(self, event: JobBegins) -> None:
        job = self.jobs[event.job] = _Job(event)
        self._print(job.heading, "bold", f"· {event.runs[0].data.label}")
        if self.progress is None:
            columns = (TextColumn("  epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self.progress = Progress(
                *columns, TextColumn("{task.fields[note]}", markup=False), console=self.console, transient=True
            )
            self.progress.start()
        self.tasks[event.job] = self.progress.add_task("", total=None, epoch="", note="")

    def _note(self, job: _Job) -> str:
        """The accuracies of a job, and its heading if other jobs are running."""
        others = self.jobs.keys() - {job.number}
        return "  ".join(filter(None, (job.accuracy, job.heading if others else "")))

    def _update(self, job: int, **fields: Any) -> None:
        assert self.progress is not None
        self.progress.update(self.tasks[job], **fields)

    def _job_ends(self, job: _Job, number: int) -> None:
        assert self.progress is not None
        self.progress.remove_task(self.tasks.pop(number))
        if not self.jobs:
            self.progress.stop()
            self.progress = None
        if job.rows:
            self._print("  done", "green", self._note(job))

    def _print(self, head: str, style: str, text: str) -> None:
        """Print one line in a single call, so that a bar below it stays intact."""
        self.console.print(self.console.render_str(head, style=style), text)
