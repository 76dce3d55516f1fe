"""One job's work: the same in another process and in any order of listeners; the process is as it was afterwards."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.data import Data, Dataset
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Listener, train
from didact.execution import Execution, execute
from didact.execution import work as working
from didact.execution.jobs import Job, schedule
from didact.execution.kernels import kernels
from didact.execution.progress import EpochBegins, Event, JobBegins, JobEnds, Learned, StepEnds
from didact.execution.work import WorkSettings, work
from didact.methods.kd import KD
from didact.runs.run import Run, everything
from didact.store.store import Store
from didact.teaching.route import Route
from support.kept import Killed, same, weights

DATA = Data(name="digits", classes=2, per_class=4)
RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.02, schedule="one-cycle", precision="fp32")
NET = "basic-4-1x4-1x8"
ALONE = Run(net=NET, data=DATA, recipe=RECIPE)
GREEDY = Route(schedule="greedy", anchors=2, threshold=1e-9)
ALONG = Run(net=NET, data=DATA, recipe=RECIPE, method=KD(), teacher=ALONE, route=GREEDY)


def settings(root: Path, **execution: Any) -> WorkSettings:
    return WorkSettings(root, False, frozenset(), frozenset(), Execution(test_every=9, **execution))


def job(*runs: Run) -> Job:
    (only,), _ = schedule(runs, set(), {}, 16)
    return only


def test_in_a_fresh_process_the_weights_are_the_same(tmp_path: Path) -> None:
    """Job, settings and outcome are pickled on the way; bit by bit the Records are those of this process."""
    two = job(ALONE, replace(ALONE, seed=1))
    here, there = settings(tmp_path / "here"), settings(tmp_path / "there")
    work(two, here)
    threads = torch.get_num_threads()
    with multiprocessing.get_context("spawn").Pool(1, torch.set_num_threads, (threads,)) as pool:
        outcome = pool.apply(work, (two, there))
    assert set(outcome.records) == {run.digest for run in two.runs} and not outcome.failures
    for run in two.runs:
        assert outcome.records[run.digest].folder == Store(there.root).folder(run)
        assert same(weights(Store(here.root), run), weights(Store(there.root), run))


def test_events_are_plain_values_in_order(tmp_path: Path) -> None:
    events: list[Event] = []
    work(job(ALONE), settings(tmp_path), events.append)
    assert pickle.loads(pickle.dumps(events)) == events
    steps = [event.step for event in events if isinstance(event, StepEnds)]
    assert steps == [*range(1, len(steps) // 2 + 1)] * 2
    kinds = [type(event) for event in events if not isinstance(event, StepEnds)]
    assert kinds == [JobBegins, EpochBegins, Learned, EpochBegins, Learned, JobEnds]
    assert [event.done for event in events if isinstance(event, Learned)] == [False, True]


def test_the_order_of_listeners_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also along a greedy route, which goes on from the rows that a listener keeps."""

    def backwards(cohort: Cohort, dataset: Dataset, listeners: Sequence[Listener], **named: Any) -> None:
        assert len(listeners) >= 2
        train(cohort, dataset, listeners[::-1], **named)

    def kill(event: Event) -> None:
        if isinstance(event, Learned) and event.run == ALONG.digest:
            raise Killed

    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    with pytest.raises(Killed):
        execute([ALONG], first, Execution(test_every=9), kill)
    execute([ALONG], first, Execution(test_every=9))
    monkeypatch.setattr(working, "train", backwards)
    execute([ALONG], second, Execution(test_every=9))
    for run in everything([ALONG]):
        assert same(weights(first, run), weights(second, run))
        assert rows(first, run) == rows(second, run)
    assert all({"anchor", "anchor_kl", "next_anchor"} <= set(row) for row in rows(second, ALONG))


def rows(store: Store, run: Run) -> list[dict[str, Any]]:
    """A run's metrics without times."""
    record = store.get(run)
    assert record is not None
    timed = ("seconds", "cpu_seconds", "images_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in record.metrics()]


# ------------------------------------------------------------------------------------------------ the process afterwards


def state() -> tuple[object, ...]:
    return (
        torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_num_threads(),
        torch.get_rng_state().sum().item(),
    )


@pytest.mark.parametrize("deterministic", [False, True])
def test_the_process_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deterministic: bool) -> None:
    """After a training, and after one that an error or a kill ends; a training chooses otherwise than the process before."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", deterministic)
    before = state()
    during: list[tuple[object, ...]] = []

    def show(event: Event) -> None:
        if isinstance(event, Learned):
            during.append(state()[:2])
            raise Killed

    execution = Execution(test_every=9, deterministic=deterministic)
    with pytest.raises(Killed):
        execute([ALONE], Store(tmp_path), execution, show)
    assert during == [(not deterministic, deterministic)]
    assert state() == before
    execute([ALONE], Store(tmp_path), execution)
    assert state() == before
    with pytest.raises(RuntimeError, match="on purpose"), kernels(deterministic=deterministic):
        raise RuntimeError("on purpose")
    assert state() == before
