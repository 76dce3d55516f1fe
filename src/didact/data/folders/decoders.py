"""Processes that decode the images of batches, and stay from one epoch to the next.

A process has a pipe of its own. A batch goes to the one that has least to do, and batches come back
in their order; so the number of processes changes no pixel. At most :data:`AHEAD` batches for each
are prepared before they are asked for, in memory that is used again.

Processes end by :meth:`Decoders.close`, when nobody holds the :class:`Decoders`, and when the
process that started them is gone, whatever ended it.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.connection import wait

import numpy as np

from didact.data.folders.decoder import WATCH, Decoder, Made, may_start, shares_memory
from didact.data.folders.jobs import Faults, Job, Room
from didact.data.folders.slots import Slots
from didact.machine import processors

AHEAD = 2
"""Batches for each process that are prepared before they are asked for."""

Batch = tuple[dict[str, np.ndarray], Faults]
"""Pixels by the name of the rendering, uint8 (images * share, size, size, 3); what cannot be
decoded.
"""


class Decoders:
    """Processes that decode; they start when they are needed.

    Args:
        count: how many there are; 0 for this process alone.
    """

    def __init__(self, count: int) -> None:
        self.count = count if may_start() else 0
        self._pools: list[_Pool] = []

    def close(self) -> None:
        """End the processes; batches that are still asked for fail."""
        for pool in self._pools:
            pool.close()
        self._pools.clear()

    def decode(self, jobs: Iterable[Job], room: Room) -> Generator[Batch]:
        """The batch of each job. It holds until the next one of this object is asked for.

        Args:
            jobs: numbered from 0.

        Raises:
            DataError: a process was killed.
        """
        with self._lent(room) as pool, closing(pool.decode(jobs, room)) as batches:
            yield from batches

    @contextmanager
    def _lent(self, room: Room) -> Iterator[_Pool]:
        """Processes that nobody else is waiting for; they go on afterwards unless something went
        wrong.
        """
        pool = next((one for one in self._pools if not one.lent and one.room.holds(room)), None)
        if pool is None:
            self._end([one for one in self._pools if not one.lent])  # for other batches than are shown now
            pool = _Pool(self.count, room)
            self._pools.append(pool)
        pool.lent = True
        try:
            yield pool
        except GeneratorExit:
            raise
        except BaseException:  # also of Ctrl-C in the middle of an answer
            self._end([pool])
            raise
        finally:
            pool.lent = False

    def _end(self, pools: Sequence[_Pool]) -> None:
        for pool in pools:
            pool.close()
        self._pools = [one for one in self._pools if one not in pools]


class _Pool:
    """Some processes, and the memory that they share with this one."""

    def __init__(self, count: int, room: Room) -> None:
        self.room = room
        self.lent = False
        shared = shares_memory() or not count
        self._window = AHEAD * count + 1 if shared else count  # who sends pixels is asked for one batch at a time
        self._slots = Slots(self._window, room.bytes) if shared else None
        self._workers: list[Decoder] = []
        self.close = weakref.finalize(self, _end, self._workers, os.getpid())
        for _ in range(count):
            self._workers.append(Decoder(self._slots, [one.connection for one in self._workers]))

    def decode(self, jobs: Iterable[Job], room: Room) -> Generator[Batch]:
        """As :meth:`Decoders.decode`."""
        if self._workers:
            yield from self._by_workers(iter(jobs), room)
            return
        assert self._slots is not None
        for job in jobs:
            block = self._slots.of(job.number)
            faults = job.fill(block, room)
            yield room.renderings(block, len(job.paths)), faults

    def _by_workers(self, jobs: Iterator[Job], room: Room) -> Generator[Batch]:
        while any(one.asked for one in self._workers):  # of an epoch that was left early
            self._received()
        asked: deque[Job] = deque()
        made: dict[int, Made] = {}
        while True:
            for job in itertools.islice(jobs, self._window - len(asked)):
                min(self._workers, key=lambda one: one.asked).ask(job, room)
                asked.append(job)
            if not asked:
                return
            job = asked[0]
            while job.number not in made:
                made |= self._received()
            pixels, faults = made.pop(job.number)
            block = self._slots.of(job.number) if self._slots else pixels
            assert block is not None
            yield room.renderings(block, len(job.paths)), faults
            asked.popleft()

    def _received(self) -> dict[int, Made]:
        """What was made meanwhile, by the numbers of the jobs."""
        busy = {one.connection: one for one in self._workers if one.asked}
        ready = [] if any(one.closed for one in busy) else wait(list(busy), WATCH)
        if not ready:
            for one in busy.values():
                one.check()
        return dict(busy[one].answer() for one in ready)  # type: ignore[index]


def _end(workers: Sequence[Decoder], owner: int) -> None:
    """End processes, whatever they do; not those of another process, of which this one is a
    copy.
    """
    if os.getpid() == owner:
        for one in workers:
            one.end()


def usual_decoders() -> int:
    """As many processes as there are processors, but one for the network; none where there is one
    processor.
    """
    return processors() - 1
