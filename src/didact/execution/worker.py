"""One worker: a process that does one job after the other, so that torch is imported once. Both
ends of its pipe are here.

The pipe carries jobs one way and events, outcomes and errors the other way. Where it ends, a worker
ends at once, even in the middle of a job, so none outlives the process that started it. That does
no harm: what a job keeps is whole at any moment.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import NoReturn

import torch

from didact.engine.threads import wait_passively
from didact.execution.executor import Work
from didact.execution.jobs import Job, Outcome
from didact.execution.progress import Event, StepEnds

STEP_SECONDS = 0.1
"""A worker sends the end of a step at most this often."""

LAST_SECONDS = 10.0
"""A process that has closed its pipe may take so long to end."""


@dataclass(frozen=True)
class Resources:
    """The threads of a worker, and its cores; without cores, the system chooses them."""

    threads: int
    cores: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Ready:
    """The worker has imported what it needs."""


@dataclass(frozen=True)
class Raised:
    """A job has raised this error."""

    error: BaseException


Message = Ready | Event | Outcome | Raised


class Worker:
    """The starting process's end of a worker.

    Args:
        work: does a job; it is pickled.
    """

    def __init__(self, work: Work, resources: Resources) -> None:
        context = multiprocessing.get_context("spawn")
        self.resources = resources
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs, work, resources), daemon=True)
        with _uninterrupted(), _environment(resources.threads):
            self._process.start()
        theirs.close()

    def begin(self, job: Job) -> None:
        """Send a job. If the worker is dead, :meth:`receive` says so."""
        with contextlib.suppress(OSError):
            self.connection.send(job)

    def receive(self) -> Message | None:
        """The next message; None if the worker is dead."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            return None

    def exit_code(self) -> int:
        """The exit code of a worker that is dead, or minus the signal that ended it."""
        self._process.join(LAST_SECONDS)
        return self.end()

    def end(self) -> int:
        """End the process, whatever it does. Returns its exit code, or minus the signal that ended
        it.
        """
        self._process.kill()
        self._process.join()
        self.connection.close()
        assert self._process.exitcode is not None
        return self._process.exitcode


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that start here never receive Ctrl-C, which a terminal sends to all: this one heeds
    it and ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it would be started with the first process, and would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Variables that a process needs before it imports torch. Afterwards they are as before."""
    names = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")
    before = {name: os.environ[name] for name in names if name in os.environ}
    wait_passively()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


# ------------------------------------------------------------------------------------------------ in the worker


def _main(connection: Connection, work: Work, resources: Resources) -> None:
    """Do jobs until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if resources.cores:
        os.sched_setaffinity(0, resources.cores)
    torch.set_num_threads(resources.threads)
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    show = _Sender(connection)
    _send(connection, Ready())
    while True:
        try:
            message = work(pickle.loads(jobs.get()), show=show)
        except BaseException as error:
            message = Raised(portable(error))
        _send(connection, message)


def _receive(connection: Connection, jobs: SimpleQueue[bytes]) -> NoReturn:
    """Pass jobs on; end this process with the pipe."""
    while True:
        try:
            jobs.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)


def _send(connection: Connection, message: Message) -> None:
    try:
        connection.send(message)
    except OSError:  # the process that started this one is gone
        os._exit(1)


class _Sender:
    """The Show of a job: sends events, and few of those that only move a bar."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sent = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepEnds):
            now = time.monotonic()
            if now - self.sent < STEP_SECONDS:
                return
            self.sent = now
        _send(self.connection, event)


def portable(error: BaseException) -> BaseException:
    """The error with the lines where it was raised; one of another class where its own cannot be
    pickled.
    """
    where = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"\nIn a worker:\n{where}")
    return error
