"""New folders that are filled beside the place where they belong, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DAY = 86400.0
"""Seconds without a change after which such a folder is a killed process's, whatever the disk."""


@contextlib.contextmanager
def folder_beside(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in ``parent`` whose name begins with ``prefix``; it is removed after the block, unless
    it was renamed.

    Those that killed processes left there are removed first: in which nothing has changed for a day. So
    another process's is left alone while it works.

    Raises:
        OSError: nothing can be written in ``parent``.
    """
    _clear(parent, prefix)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(parent: Path, prefix: str) -> None:
    """What cannot be looked at or removed stays."""
    for name in os.listdir(parent):
        path = parent / name
        with contextlib.suppress(OSError):
            if name.startswith(prefix) and path.is_dir() and not path.is_symlink() and not _changed(path, time.time() - DAY):
                shutil.rmtree(path, ignore_errors=True)


def _changed(path: Path, since: float) -> bool:
    """Whether the folder, or anything in it, has changed since.

    Raises:
        OSError: a folder in it cannot be read, so its last change is unknown.
    """
    for parent, _, names in os.walk(path, onerror=_raised):
        for one in (parent, *(os.path.join(parent, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                if os.lstat(one).st_mtime > since:
                    return True
    return False


def _raised(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # otherwise it has been removed meanwhile
        raise error
