"""Locks of runs: one process trains a run, the others wait for it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from didact.files.disk import unwritable
from didact.store.store import Store

if TYPE_CHECKING:
    from didact.runs.run import Run


def most() -> int:
    """Largest number of locks to hold at once. Each takes an open file; half of the free ones stay
    for other uses."""
    try:
        import resource
    except ImportError:  # not a POSIX system; such systems allow thousands of open files
        return 512
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return 512
    try:
        used = len(os.listdir("/dev/fd"))
    except OSError:
        used = 16
    return max(1, min(512, (limit - used) // 2))


def check_writable(store: Store) -> None:
    """Check that runs can be written to the store.

    Raises:
        UnwritableError: the disk refuses. The message names the store and says what to do.
        RequestError: something that is no folder is in the way.
    """
    for folder in (store.root / "locks", store.root / "runs"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "it is read-only, or another user's")
        except OSError as error:
            message = f"nothing can be kept in the store {str(store.root)[-100:]}: {error.strerror}; name another one "
            raise unwritable(error, f"{message}(--store FOLDER). What it holds can be looked at") from None


def lock_path(root: Path, digest: str) -> Path:
    """The file that is locked while the run with this digest is trained."""
    return root / "locks" / f"{digest}.lock"


@contextlib.contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock at ``path`` within the block, unless another process has it; whether it is
    held.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def in_use(root: Path, digest: str) -> bool | None:
    """Whether the lock of a run is held; None where it cannot be tried. Nothing is written where there is
    no lock."""
    path = lock_path(root, digest)
    if not path.exists():
        return False
    try:
        with if_free(path) as free:
            return not free
    except (OSError, NotImplementedError):  # filelock raises the latter on a file system without locks
        return None


@contextlib.contextmanager
def held(path: Path, say: Callable[[str], None], waiting: str) -> Iterator[None]:
    """Hold the lock at ``path`` within the block. Where another process has it, say the line
    ``waiting``, and wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(waiting)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def locked(store: Store, runs: Sequence[Run]) -> Iterator[None]:
    """Lock these runs against other processes. The system releases the locks when this process
    dies.

    The locks are taken in the order of the digests, so that two processes never wait for each
    other.
    """
    with contextlib.ExitStack() as locks:
        for run in sorted(runs, key=lambda r: r.digest):
            waiting = f"another process is training {run.label} ({run.digest}); waiting for it"
            locks.enter_context(held(lock_path(store.root, run.digest), store.say, waiting))
        yield
