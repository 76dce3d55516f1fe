"""Locks of runs: one process trains a run, the others wait for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from filelock import FileLock, Timeout

from didact.studies.run import Run
from didact.studies.store import Store


@contextlib.contextmanager
def locked(store: Store, runs: Sequence[Run]) -> Iterator[None]:
    """Hold these runs against other processes. The system releases the locks when this process dies.

    Always taken in the order of the digests, so that two processes never wait for each other.
    """
    with contextlib.ExitStack() as held:
        for run in sorted(runs, key=lambda r: r.digest):
            path = store.root / "locks" / f"{run.digest}.lock"
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                store.say(f"another process is training {run.label} ({run.digest}); waiting for it")
                lock.acquire()
            held.callback(lock.release)
        yield
