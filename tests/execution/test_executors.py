"""Executors, without any training: each runs all jobs in order and leaves out what a failure stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from didact.data import Data
from didact.execution import Execution, Outcome, execute
from didact.execution.executor import Executor, Work
from didact.execution.jobs import Job, Queue, schedule
from didact.execution.progress import Event, Said, Show, unseen
from didact.methods.kd import KD
from didact.runs.run import Run
from didact.spec import SpecError, catalogue, choose, spec
from didact.store.record import Record
from didact.store.store import Store

DATA = Data(name="digits", per_class=4)
TEACHERS = [Run(net="resnet20", data=DATA, seed=seed, data_seed=seed) for seed in (0, 1)]
STUDENTS = [Run(net="resnet8", data=DATA, data_seed=teacher.data_seed, method=KD(), teacher=teacher) for teacher in TEACHERS]


def queue() -> Queue:
    jobs, failures = schedule(STUDENTS, set(), {}, 16)
    return Queue(jobs, Outcome(failures=failures))


@pytest.mark.parametrize("name", catalogue(*Executor.homes))
def test_all_jobs_are_done_each_after_those_that_it_needs(name: str) -> None:
    done: list[Run] = []

    def work(job: Job, *, show: Show) -> Outcome:
        done.extend(job.runs)
        show(Said(job.number, "done"))
        failures = {TEACHERS[0].digest: "NaN"} if TEACHERS[0] in job.runs else {}
        return Outcome({run.digest: Record(Path()) for run in job.runs if run.digest not in failures}, failures)

    waiting, events = queue(), list[Event]()
    choose(Executor, name).run(waiting, work, events.append)
    assert sorted(run.label for run in done) == sorted(run.label for run in (*TEACHERS, STUDENTS[1]))
    assert done.index(TEACHERS[1]) < done.index(STUDENTS[1])
    assert set(waiting.outcome.records) == {TEACHERS[1].digest, STUDENTS[1].digest}
    assert set(waiting.outcome.failures) == {TEACHERS[0].digest, STUDENTS[0].digest}
    assert sorted(event.job for event in events) == [0, 1, 3]


@pytest.mark.parametrize("name", catalogue(*Executor.homes))
def test_an_error_of_a_job_is_raised_and_ends_the_others(name: str) -> None:
    def work(job: Job, *, show: Show) -> Outcome:
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        choose(Executor, name).run(queue(), work, unseen)


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
