"""What a disk refuses: the request is right, and its work fails."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from didact.spec import RequestError

_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})

_PATH = 300
"""How many characters of a very long path a message repeats from its beginning and from its end."""


class UnwritableError(RequestError):
    """Nothing can be written: the disk is full or read-only, or the folder is another user's. A command that ends so
    has failed; no request is wrong."""


def refused(error: BaseException) -> bool:
    """Whether the disk refuses, under any name. A name under which nothing can be is a wrong request."""
    return isinstance(error, OSError) and error.errno in _REFUSALS


def refusal(error: OSError) -> str:
    """The message about an error of the system, with its files."""
    files = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)]
    paths = " and ".join(f if len(f) <= 2 * _PATH else f"{f[:_PATH]} ... {f[-_PATH:]}" for f in files)
    return ": ".join([error.strerror or str(error) or type(error).__name__, paths][: 1 + bool(files)])


def unwritable(error: OSError, message: str) -> RequestError:
    """The error with this message: an :class:`UnwritableError` where the disk refuses."""
    return UnwritableError(message) if refused(error) else RequestError(message)


def check_place(setting: str, folder: Path) -> None:
    """Check that something can be written in ``folder``, which need not exist yet.

    Raises:
        UnwritableError: the disk refuses.
        RequestError: there can be no such folder. The message begins with ``setting``.
    """
    above = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        tempfile.TemporaryFile(dir=above).close()
    except OSError as error:
        message = f"{setting}: nothing can be written in {above}: {error.strerror}; name another place"
        raise unwritable(error, message) from None
