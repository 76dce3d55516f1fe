"""A worker process decodes batches of images, one after another, until its owner closes the connection."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from didact.data.contract import DataError
from didact.data.folders.crops import ready
from didact.data.folders.jobs import Faults, Job, Room
from didact.data.folders.slots import Slots

if TYPE_CHECKING:
    from multiprocessing.connection import Connection, PipeConnection

    End = Connection | PipeConnection

WATCH = 5.0
"""Seconds after which a process that has nothing to do looks whether the one that started it still
runs, and after which that one looks whether those that it waits for do.
"""

_ENDINGS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}
"""Signals that end a process."""

Made = tuple[np.ndarray | None, Faults]
"""Pixels where there is no memory to leave them in; what cannot be decoded."""


def shares_memory() -> bool:
    """Whether processes are forked, and so see the memory of the one that starts them."""
    return sys.platform == "linux"


def may_start() -> bool:
    """Whether this process may start others: what is not forked is one of :mod:`multiprocessing`,
    which refuses it to the processes of several jobs at once.
    """
    return shares_memory() or not multiprocessing.current_process().daemon


class _Process(Protocol):
    """A process that was started.

    Attributes:
        exitcode: or minus the signal that ended it; None while it runs.
    """

    @property
    def exitcode(self) -> int | None: ...
    def is_alive(self) -> bool: ...
    def kill(self) -> None: ...
    def join(self) -> None: ...


class Decoder:
    """This process's end of a process that decodes.

    Attributes:
        asked: so many jobs were given to it that it has not answered.
    """

    def __init__(self, slots: Slots | None, others: Sequence[End]) -> None:
        """
        Args:
            others: ends of other processes, which this one must not hold open.
        """
        self.asked = 0
        spawn = multiprocessing.get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        self._process: _Process
        if shares_memory():
            self._process = _Forked(theirs, slots, [self.connection, *others])
        else:
            process = spawn.Process(target=_serve, args=(theirs, None, os.getpid()), daemon=True)
            process.start()
            self._process = process
        theirs.close()

    def ask(self, job: Job, room: Room) -> None:
        """Give it a job. If it is dead, :meth:`answer` says so."""
        self.asked += 1
        with suppress(OSError):
            self.connection.send((job, room))

    def answer(self) -> tuple[int, Made]:
        """The number of a job, and what was made of it.

        Raises:
            DataError: it is dead.
        """
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise self._dead() from None
        self.asked -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def check(self) -> None:
        """Raise a DataError if it is dead."""
        if not self._process.is_alive():
            raise self._dead()

    def _dead(self) -> DataError:
        self.end()
        return DataError(f"a process that decodes images ended early, with {self._process.exitcode}")

    def end(self) -> None:
        """End it, whatever it does; there is nothing that it could lose."""
        self._process.kill()
        self._process.join()
        self.connection.close()


class _Forked:
    """A forked process that answers jobs.

    Not one of :mod:`multiprocessing`: see :func:`may_start`.
    """

    def __init__(self, theirs: End, slots: Slots | None, others: Sequence[End]) -> None:
        owner = os.getpid()
        self._code: int | None = None
        ready()
        with warnings.catch_warnings(), _signals_held():
            warnings.simplefilter("ignore")  # Python warns of a fork with threads; the decoder takes none of their locks
            self._pid = os.fork()
            if not self._pid:
                try:
                    for one in others:
                        one.close()
                    _serve(theirs, slots, owner)
                finally:
                    os._exit(1)

    def is_alive(self) -> bool:
        """Whether it runs."""
        self._reap(os.WNOHANG)
        return self._code is None

    def kill(self) -> None:
        """End it at once."""
        if self.is_alive():
            os.kill(self._pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait for its end."""
        self._reap(0)

    @property
    def exitcode(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._code

    def _reap(self, how: int) -> None:
        if self._code is not None:
            return
        try:
            ended, status = os.waitpid(self._pid, how)
        except ChildProcessError:  # somebody else waited for it
            self._code = 0
            return
        if ended:
            self._code = os.waitstatus_to_exitcode(status)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Signals that end a process wait for the end of the block: a copy of this process that one reached before it is a
    decoder would clean up as this one does.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: End, slots: Slots | None, owner: int) -> None:
    """Answer jobs until nobody asks any more."""
    for ending in _ENDINGS:
        if ending == signal.SIGINT:
            signal.signal(ending, signal.SIG_IGN)  # the process that asks heeds Ctrl-C, and ends this one
        elif signal.getsignal(ending) is not signal.SIG_IGN:  # ignored signals stay ignored (nohup)
            signal.signal(ending, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
    signal.set_wakeup_fd(-1)  # of a notebook
    torch.set_num_threads(1)
    with suppress(EOFError, OSError):
        while True:
            while not connection.poll(WATCH):
                if os.getppid() != owner:
                    return
            job, room = connection.recv()
            connection.send(_answered(job, room, slots))


def _answered(job: Job, room: Room, slots: Slots | None) -> tuple[int, Made] | Exception:
    try:
        own = None if slots else np.empty(room.bytes, np.uint8)
        block = slots.of(job.number) if slots else own
        assert block is not None
        return job.number, (own, job.fill(block, room))
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        return error
