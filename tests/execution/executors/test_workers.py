"""Jobs in worker processes: the same Records bit by bit, also where a worker is killed; what a dead worker stops."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.execution import Execution, Outcome, execute
from didact.execution.executors.workers import Workers, free_places
from didact.execution.jobs import Queue, schedule
from didact.execution.progress import EpochBegins, Event, Failed, JobBegins, JobEnds, Learned, Said, StepEnds
from didact.execution.work import WorkSettings
from didact.execution.worker import Resources
from didact.methods.kd import KD
from didact.runs.run import Run, everything
from didact.spec import SpecError, from_json
from didact.store.store import Store
from support.kept import same, weights
from support.played import Killed, Played

TEACHERS = [
    Run(
        net="basic-4-1x4-1x8",
        data=from_json(Data, {"name": "support.played:noise"}),
        recipe=Recipe(epochs=3, batch_size=8, learning_rate=0.02, schedule="one-cycle", precision="fp32"),
        data_seed=seed,
    )
    for seed in (0, 1)
]
STUDENTS = [replace(teacher, method=KD(), teacher=teacher, seed=seed) for teacher in TEACHERS for seed in (0, 1)]


def queue(runs: list[Run]) -> Queue:
    jobs, _ = schedule(runs, set(), {}, 1)
    return Queue(jobs, Outcome())


def test_records_are_those_of_one_process_also_after_a_kill(tmp_path: Path) -> None:
    """Two teachers, and four cohorts of their students. The process of the first teacher is killed after its first epoch."""
    execution = Execution(test_every=9)
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    execute(STUDENTS, here, execution)
    settings = WorkSettings(there.root, False, frozenset(), frozenset(), execution)
    jobs, events = queue(STUDENTS), list[Event]()
    Workers(count=2, threads=1).run(jobs, Killed(settings, TEACHERS[0], tmp_path / "killed"), events.append)
    assert (tmp_path / "killed").exists() and not multiprocessing.active_children()
    assert not jobs.outcome.failures and len(jobs.outcome.records) == 6
    for run in everything(STUDENTS):
        assert same(weights(here, run), weights(there, run))
        assert jobs.outcome.records[run.digest].environment()["threads"] == 1
    _check_order(events)


def _check_order(events: list[Event]) -> None:
    """Events of one job come in order. The job that was killed ends and begins again, after the epoch that it had."""
    learned = [EpochBegins, Learned]
    kinds = {
        job: [type(event) for event in events if event.job == job and not isinstance(event, StepEnds)] for job in range(6)
    }
    assert kinds[0] == [JobBegins, *learned, JobEnds, Said, Said, JobBegins, *learned * 2, JobEnds]
    assert all(kinds[job] == [JobBegins, *learned * 3, JobEnds] for job in range(1, 6))
    died, resumed = (event.text for event in events if isinstance(event, Said))
    assert "its worker process was killed (SIGKILL), perhaps as memory ran out; another goes on" in died
    assert "after epoch 1 of 3" in resumed


def test_a_job_that_ends_its_workers_fails_and_cancels_what_needs_it() -> None:
    jobs, events = queue(STUDENTS[:1]), list[Event]()
    Workers(count=2, restarts=0).run(jobs, Played(deadly=(TEACHERS[0],)), events.append)
    reason = jobs.outcome.failures.pop(TEACHERS[0].digest)
    assert reason.startswith("its worker process ended with exit code 3; ask again and it goes on")
    assert jobs.outcome.failures == {STUDENTS[0].digest: f"needs {TEACHERS[0].label}, which failed: {reason}"}
    assert [type(event) for event in events] == [JobBegins, Said, Failed, JobEnds] and not jobs.outcome.records


# ------------------------------------------------------------------------------------------------ before anything starts


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5, 7}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None, raising=False)


@pytest.mark.usefixtures("four_cores")
def test_workers_are_pinned_only_where_they_take_every_core() -> None:
    halves = [Resources(2, frozenset({2, 3})), Resources(2, frozenset({5, 7}))]
    assert Workers(count=2, threads=2).resources() == halves
    assert Workers(count=2, threads=1).resources() == [Resources(1)] * 2
    assert Workers(count=3, threads=2).resources() == [Resources(2)] * 3


@pytest.mark.usefixtures("four_cores")
def test_threads_are_divided_unless_the_environment_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [Workers(count=count).resources()[0].threads for count in (1, 2, 3, 5)] == [4, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert Workers(count=2).resources() == [Resources(4)] * 2


@pytest.mark.usefixtures("four_cores")
def test_more_threads_than_cores_are_said() -> None:
    assert Workers(count=2, threads=2).check("cpu") == ()
    (line,) = Workers(count=3, threads=2).check("cpu")
    assert line.startswith("3 workers have 6 threads on 4 cores") and "--workers 4" in line


def test_a_gpu_is_refused_before_anything_starts(store: Store) -> None:
    with pytest.raises(SpecError, match=r"2 workers would share the device cuda:1.*write --workers 1"):
        execute(STUDENTS, store, Execution(device="cuda:1", executor=Workers(count=2)))
    assert not store.root.exists()
    assert Workers(count=1).check("cuda") == ()


@pytest.mark.parametrize(
    ("cores", "gigabytes", "threads", "expected"),
    [
        (2, 24, None, (2, 1)),
        (2, 2, None, (1, 1)),  # memory bounds the workers, and changes no thread
        (8, 64, None, (8, 1)),
        (64, 256, None, (8, 8)),
        (64, None, None, (8, 8)),
        (4, 24, 2, (2, 2)),
        (2, 24, 8, (1, 8)),
    ],
)
def test_auto_takes_what_the_machine_has_room_for(
    cores: int, gigabytes: int | None, threads: int | None, expected: tuple[int, int]
) -> None:
    assert free_places(cores, None if gigabytes is None else gigabytes * 10**9, threads) == expected
