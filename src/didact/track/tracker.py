"""What follows trainings elsewhere than on the terminal: TensorBoard, MLflow, Weights & Biases, or a
class of the user's own.

A tracker is fed from the events of :mod:`didact.execution.progress`, in a thread of its own. A
training does not wait for it, and goes on when it fails: what is tracked is a copy, the results are
in the store.
"""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from didact.execution.progress import Event, Failed, JobBegins, JobEnds, Learned, Show
from didact.runs.run import Run
from didact.spec import clean_lines, cut, to_json

PATIENCE = 30.0
"""Seconds to wait at the end until a tracker has taken everything."""

State = Literal["finished", "failed", "stopped"]


class Tracker(Protocol):
    """What a tracker does. An error of any of these ends the tracking, not the training."""

    def begins(self, run: Run) -> None:
        """A run begins, or goes on after an interruption."""
        ...

    def learned(self, run: Run, epoch: int, figures: Mapping[str, float]) -> None:
        """A run has ended an epoch, from 1, with these figures (:func:`figures`)."""
        ...

    def ends(self, run: Run, state: State, reason: str) -> None:
        """A run has ended: "finished", "failed" for the ``reason``, or "stopped" by the user or an
        error elsewhere."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


def figures(row: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers in a row of metrics; those of an inner mapping as ``terms/kd``."""
    found: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found.update({f"{name}/{key}": inner for key, inner in figures(value).items()})
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and name != "epoch" and math.isfinite(value):
            found[name] = float(value)
    return found


def settings(run: Run) -> dict[str, Any]:
    """The settings of a run by their paths: ``recipe.learning_rate``, ``teacher.net``."""

    def flat(value: Any, at: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from flat(inner, f"{at}.{key}" if at else str(key))
        elif value is not None:
            yield at, value

    return dict(flat(to_json(run), ""))


class Tracked:
    """A Show that also feeds trackers. Use it as a context, at whose end trackers are closed.

    Args:
        show: receives every event first.
        trackers: by the name that messages use.
        say: receives one line for each tracker that fails.
    """

    def __init__(self, show: Show, trackers: Mapping[str, Tracker], say: Callable[[str], object]) -> None:
        self._show = show
        self._feeds = [_Feed(name, tracker, say) for name, tracker in trackers.items()]
        self._runs: dict[int, dict[str, Run]] = {}

    def __enter__(self) -> Tracked:
        return self

    def __exit__(self, *_: object) -> None:
        for job in list(self._runs):
            self._end_job(job)
        for feed in self._feeds:
            feed.close()

    def __call__(self, event: Event) -> None:
        self._show(event)
        if not self._feeds:
            return
        match event:
            case JobBegins():
                self._end_job(event.job)  # of a worker that died; its job begins again
                self._runs[event.job] = {run.digest: run for run in event.runs}
                for run in event.runs:
                    self._feed(lambda tracker, run=run: tracker.begins(run))
            case Learned():
                run, row = self._runs.get(event.job, {}).get(event.run), dict(event.row)
                if run is not None:
                    self._feed(lambda tracker: tracker.learned(run, int(row["epoch"]), figures(row)))
                if event.done:
                    self._end(event.job, event.run, "finished")
            case Failed():
                self._end(event.job, event.run, "failed", event.reason)
            case JobEnds():
                self._end_job(event.job)
            case _:
                pass

    def _end_job(self, job: int) -> None:
        for digest in list(self._runs.get(job, ())):
            self._end(job, digest, "stopped")
        self._runs.pop(job, None)

    def _end(self, job: int, digest: str, state: State, reason: str = "") -> None:
        run = self._runs.get(job, {}).pop(digest, None)
        if run is not None:
            self._feed(lambda tracker: tracker.ends(run, state, reason))

    def _feed(self, call: Callable[[Tracker], object]) -> None:
        for feed in self._feeds:
            feed.put(call)


class _Feed:
    """The thread of one tracker."""

    def __init__(self, name: str, tracker: Tracker, say: Callable[[str], object]) -> None:
        self._name = name
        self._tracker = tracker
        self._say = say
        self._calls: queue.SimpleQueue[Callable[[Tracker], object] | None] = queue.SimpleQueue()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name=f"track {name}", daemon=True)
        self._thread.start()

    def put(self, call: Callable[[Tracker], object]) -> None:
        if not self._failed:
            self._calls.put(call)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call(self._tracker)
            except Exception as error:  # of a library, a disk, a server
                self._failed = True
                why = cut(" ".join(clean_lines(error).split())) or type(error).__name__
                self._say(f"{self._name} is no longer fed ({type(error).__name__}: {why}); the training goes on")
                break
        with contextlib.suppress(Exception):
            self._tracker.close()

    def close(self) -> None:
        self._calls.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            self._say(f"{self._name} has not taken everything within {PATIENCE:g} seconds; the results are in the store")
