"""Executors, without any training: each runs all jobs in order and leaves out what a failure stops."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from didact.data import Data
from didact.execution import Execution, Outcome, execute
from didact.execution.executor import Executor, Work
from didact.execution.jobs import Queue, schedule
from didact.execution.progress import Event, JobBegins, JobEnds, Said, Show
from didact.execution.work import StoreWork
from didact.methods.kd import KD
from didact.runs.run import Run
from didact.spec import SpecError, catalogue, choose, spec
from didact.store.store import Store
from support.played import Played

DATA = Data(name="digits", per_class=4)
TEACHERS = [Run(net="resnet20", data=DATA, seed=seed, data_seed=seed) for seed in (0, 1)]
STUDENTS = [Run(net="resnet8", data=DATA, data_seed=teacher.data_seed, method=KD(), teacher=teacher) for teacher in TEACHERS]


def queue(runs: Sequence[Run] = STUDENTS) -> Queue:
    jobs, failures = schedule(runs, set(), {}, 16)
    return Queue(jobs, Outcome(failures=failures))


def done(events: Sequence[Event]) -> list[str]:
    """The digests of the runs in jobs that were begun, in this order."""
    return [digest for event in events if isinstance(event, Said) for digest in event.text.split()]


EXECUTORS = sorted({*catalogue(*Executor.homes)} - {"ray"})
"""Ray wants a cluster: executors/test_ray.py has the same tests for it. That workers keep the order is among the default
tests of executors/test_workers.py."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "workers" else []) for name in EXECUTORS]
)
def test_all_jobs_are_done_each_after_those_that_it_needs(name: str) -> None:
    check_order(choose(Executor, name))


def check_order(executor: Executor) -> None:
    """All jobs of a queue are done, each after those that it needs, but those that need a failed one."""
    waiting, events = queue(), list[Event]()
    executor.run(waiting, Played(failing=(TEACHERS[0],)), events.append)
    digests = done(events)
    assert sorted(digests) == sorted(run.digest for run in (*TEACHERS, STUDENTS[1]))
    assert digests.index(TEACHERS[1].digest) < digests.index(STUDENTS[1].digest)
    assert set(waiting.outcome.records) == {TEACHERS[1].digest, STUDENTS[1].digest}
    assert set(waiting.outcome.failures) == {TEACHERS[0].digest, STUDENTS[0].digest}
    for job in (0, 1, 3):
        assert [type(event) for event in events if event.job == job] == [JobBegins, Said, JobEnds]


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_error_of_a_job_is_raised_and_ends_the_others(name: str) -> None:
    check_error(choose(Executor, name))


def check_error(executor: Executor) -> None:
    """An error of a job is raised, and no further job is begun."""
    events: list[Event] = []
    with pytest.raises(OSError, match="no space left"):
        executor.run(queue(STUDENTS[:1]), Played(error=OSError("no space left on device")), events.append)
    assert done(events) == [TEACHERS[0].digest]


@spec
class Lazy(Executor):
    """Runs no job."""

    def run(self, queue: Queue, work: Work, show: Show) -> None:
        while (job := queue.next()) is not None:
            queue.end(job, Outcome(failures={run.digest: "not today" for run in job.runs}))


def test_an_executor_is_found_by_name_or_given(store: Store) -> None:
    for executor in (Lazy(), f"{__name__}:Lazy"):
        failures = execute([TEACHERS[0]], store, Execution(executor=executor)).failures
        assert failures == {TEACHERS[0].digest: "not today"}
    with pytest.raises(SpecError, match="unknown executor 'her'; did you mean 'here'"):
        execute([TEACHERS[0]], store, Execution(executor="her"))


def test_jobs_carry_the_command_of_the_process_that_asks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a cluster run in processes with a command of their own."""
    carried: list[str] = []

    def run(self: Lazy, queue: Queue, work: Work, show: Show) -> None:
        assert isinstance(work, StoreWork)
        carried.append(work.settings.execution.command)

    monkeypatch.setattr(Lazy, "run", run)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/didact", "study", "crd"])
    for execution in (Execution(executor=Lazy()), Execution(executor=Lazy(), command="didact study simkd")):
        execute([TEACHERS[0]], store, execution)
    assert carried == ["didact study crd", "didact study simkd"]
