"""Which runs the requests that are being carried out need, so that nobody removes them meanwhile.

A run that is trained is locked. A teacher that is finished is not, and it is needed until its last
student is. So a request that trains leaves the digests of all its runs in
``locks/request-*.json``, and holds the lock of that name until it ends; a file without a held lock
is of a process that has died.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock

from didact.files.checked import DamagedError, read_json, write_json
from didact.store.upkeep.locks import if_free


@contextlib.contextmanager
def upkeep(root: Path) -> Iterator[None]:
    """Within the block no other process removes anything from the store or claims a run.

    Raises:
        OSError: the store cannot be written.
    """
    lock = FileLock(root / "locks" / "upkeep.lock")
    try:
        (root / "locks").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise OSError(error.errno, f"the store {root} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def claimed(root: Path, digests: Iterable[str]) -> Iterator[None]:
    """Claim runs within the block. On a file system without locks, or one that cannot be written,
    nothing is claimed."""
    path = root / "locks" / f"request-{uuid.uuid4().hex[:16]}.json"
    lock = FileLock(path.with_suffix(".lock"))
    try:
        try:
            with upkeep(root):
                lock.acquire(timeout=0)
                write_json(path, sorted(digests))
        except (OSError, NotImplementedError):  # filelock raises the latter on a file system without locks
            lock.release()
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):
            path.with_suffix(".lock").unlink(missing_ok=True)


def claims(root: Path) -> frozenset[str]:
    """The runs that other processes claim. Only within :func:`upkeep`; what dead processes have
    left is removed.

    Raises:
        OSError: the store cannot be written.
    """
    found: set[str] = set()
    for path in sorted((root / "locks").glob("request-*.json")):
        lock = path.with_suffix(".lock")
        with if_free(lock) as free:
            if free:
                path.unlink(missing_ok=True)
            else:
                with contextlib.suppress(DamagedError, TypeError):
                    found.update(map(str, read_json(path)))
        if free:
            lock.unlink(missing_ok=True)
    return frozenset(found)
