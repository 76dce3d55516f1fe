"""Jobs in processes of their own, several at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Annotated

import torch
from pydantic import Field, Strict

from didact.execution.executor import Executor, Work
from didact.execution.executors.here import Here
from didact.execution.jobs import Job, Outcome, Queue
from didact.execution.progress import Failed, JobBegins, JobEnds, Said, Show
from didact.execution.worker import Raised, Ready, Resources, Worker
from didact.machine import available_memory, processors
from didact.spec import Count, SpecError, plural, spec

MOST = 8
"""Workers at most that are started where their number is not given."""
EACH = 3 * 2**29
"""Bytes of memory that a worker is thought to need: torch, a data set such as CIFAR-100, a cohort."""


@spec
class Workers(Executor):
    """Jobs that do not need each other run at once, each in a worker process, which then takes the
    next job.

    A job whose worker dies goes on in a new one from its last epoch.
    """

    count: Count = 2
    """The number of workers."""

    threads: Count | None = None
    """Threads of each worker. By default OMP_NUM_THREADS, or where that is not set the threads of
    this process, divided.
    """

    restarts: Annotated[int, Strict(), Field(ge=0, le=100)] = 3
    """How often a job is begun again after its worker died. Then its runs fail."""

    @classmethod
    def automatic(cls, device: str) -> Executor:
        """What ``--workers auto`` stands for (:func:`free_places`); on a GPU or a single core, this
        process.
        """
        cores = processors()
        if not device.startswith("cpu") or cores == 1:
            return Here()
        asked = torch.get_num_threads() if "OMP_NUM_THREADS" in os.environ else None
        count, threads = free_places(cores, available_memory(), asked)
        return cls(count=count, threads=threads)

    @property
    def slots(self) -> int:
        return self.count

    def check(self, device: str) -> Sequence[str]:
        """Refuse a GPU, which is no faster with several processes; say if there are more threads
        than cores.
        """
        if not device.startswith("cpu") and self.count > 1:
            raise SpecError(
                f"workers: {self.count} workers would share the device {device}, and train no faster; write --workers 1. "
                "For several GPUs, divide the request: one command for each, such as --device cuda:0 and --device cuda:1"
            )
        threads, cores = self.count * self._threads(), len(_cores())
        if threads <= cores:
            return ()
        return (
            f"{self.count} workers have {threads} threads on {plural(cores, 'core')}, and wait for each other; "
            f"--workers {cores} with OMP_NUM_THREADS=1 is faster",
        )

    def run(self, queue: Queue, work: Work, show: Show) -> None:
        crew = _Crew(self.resources(), self.restarts, work, show)
        try:
            while True:
                while crew.has_room and (job := queue.next()) is not None:
                    crew.begin(job)
                if not crew.tasks:
                    return
                for job, outcome in crew.ended():
                    queue.end(job, outcome)
        finally:
            crew.end()

    def _threads(self) -> int:
        if self.threads is not None:
            return self.threads
        own = torch.get_num_threads()
        return own if "OMP_NUM_THREADS" in os.environ else max(1, own // self.count)

    def resources(self) -> list[Resources]:
        """Where the workers compute. They are pinned only where together they take every core.

        Elsewhere the system finds free cores, also when another request runs on this machine.
        """
        threads, cores = self._threads(), _cores()
        if not hasattr(os, "sched_setaffinity") or threads * self.count != len(cores):
            return [Resources(threads)] * self.count
        return [Resources(threads, frozenset(cores[i : i + threads])) for i in range(0, len(cores), threads)]


def free_places(cores: int, memory: int | None, threads: int | None = None) -> tuple[int, int]:
    """How many workers a machine has room for, and the threads of each.

    Threads follow from the number of cores alone, or are given; never from the request, the load or
    the memory. So a Run has the same bits on a machine whatever it is asked for together with.

    Args:
        memory: bytes that are available; None where that is not known.
        threads: those of each worker, where the user has said so.
    """
    each = max(1, cores // MOST) if threads is None else threads
    count = min(MOST, max(1, cores // each))
    return count if memory is None else max(1, min(count, memory // EACH)), each


def _cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class _Task:
    """A job and the worker that does it.

    Attributes:
        deaths: how many workers died with this job.
        ready: whether the worker has sent anything.
        begun: the training that has begun and not ended.
    """

    def __init__(self, job: Job, worker: Worker, deaths: int = 0) -> None:
        self.job = job
        self.worker = worker
        self.deaths = deaths
        self.ready = False
        self.begun: JobBegins | None = None


class _Crew:
    """The workers of a request. One is started when there is a job for it, and none is idle."""

    def __init__(self, resources: Sequence[Resources], restarts: int, work: Work, show: Show) -> None:
        self.free = list(resources[::-1])
        self.idle: list[Worker] = []
        self.tasks: dict[object, _Task] = {}
        self.restarts = restarts
        self.work = work
        self.show = show

    @property
    def has_room(self) -> bool:
        return bool(self.idle or self.free)

    def begin(self, job: Job) -> None:
        self._add(_Task(job, self.idle.pop() if self.idle else Worker(self.work, self.free.pop())))

    def _add(self, task: _Task) -> None:
        self.tasks[task.worker.connection] = task
        task.worker.begin(task.job)

    def ended(self) -> list[tuple[Job, Outcome]]:
        """Wait for messages; the jobs that have ended by them.

        Raises:
            BaseException: a job has raised it.
            RuntimeError: a worker cannot start.
        """
        ended: list[tuple[Job, Outcome]] = []
        for connection in wait([task.worker.connection for task in self.tasks.values()]):
            task = self.tasks[connection]
            message = task.worker.receive()
            task.ready |= message is not None
            match message:
                case None:
                    outcome = self._died(task)
                    ended += [] if outcome is None else [(task.job, outcome)]
                case Outcome():
                    self.idle.append(self.tasks.pop(connection).worker)
                    ended.append((task.job, message))
                case Raised(error):
                    raise error
                case Ready():
                    pass
                case _:
                    if isinstance(message, JobBegins | JobEnds):
                        task.begun = message if isinstance(message, JobBegins) else None
                    self.show(message)
        return ended

    def _died(self, task: _Task) -> Outcome | None:
        """Begin a job again in another worker, or give it up: then its outcome."""
        del self.tasks[task.worker.connection]
        code, resources = task.worker.exit_code(), task.worker.resources
        if code > 0 and not task.ready:
            raise RuntimeError(
                f"a worker process cannot start (exit code {code}; its error stands above). A program that trains with workers "
                'calls execute() below: if __name__ == "__main__":'
            )
        deaths = task.deaths + 1
        reason = f"its worker process {_cause(code)}"
        if deaths <= self.restarts:
            self._close(task)
            self.show(Said(task.job.number, f"{_label(task.job)}: {reason}; another goes on from the last epoch"))
            self._add(_Task(task.job, Worker(self.work, resources), deaths))
            return None
        reason += f", {deaths} times now" if deaths > 1 else ""
        reason += "; ask again and it goes on, with fewer --workers or a smaller --cohort-size if memory is short"
        self._close(task, reason)
        self.free.append(resources)
        return Outcome(failures={run.digest: reason for run in task.job.runs})

    def _close(self, task: _Task, reason: str | None = None) -> None:
        """Send the events that a dead worker cannot send: the end of its training, and with a
        reason its failure.
        """
        if task.begun is None:
            return
        if reason is not None:
            for run in task.begun.runs:
                self.show(Failed(task.job.number, run.digest, reason))
        self.show(JobEnds(task.job.number))

    def end(self) -> None:
        """End all workers, and the trainings that they were at."""
        tasks = list(self.tasks.values())
        for worker in (*self.idle, *(task.worker for task in tasks)):
            worker.end()
        for task in tasks:
            self._close(task)


def _label(job: Job) -> str:
    first, *others = job.runs
    return f"{first.label} and {len(others)} more" if others else first.label


def _cause(code: int) -> str:
    """What ended a process, by its exit code."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    return f"was killed ({name})" + (", perhaps as memory ran out" if name == "SIGKILL" else "")
