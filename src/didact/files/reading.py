"""Reads files from untrusted sources: only ordinary files inside their folder, of bounded size and
JSON depth.

A store may have been downloaded. At worst its content counts as damaged: it cannot block a process
(a FIFO), expose another file (a link, a path with ``..``), or exhaust memory or stack.
"""

from __future__ import annotations

import json
import re
import stat
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

LARGEST = 2**26
"""Largest size of a JSON or metrics file in bytes: 64 MiB, about 60,000 epochs."""

DEEPEST = 100
"""Largest depth of JSON. A teacher is a level, so a Run may have about 90 teachers in a row."""

_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_NO_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")

_PLAIN = re.compile(r"[\w-]+(\.[\w-]+)*")
"""A name of a file in the folder itself, on every system."""


class DamagedError(ValueError):
    """A file does not hold what was written."""


def is_file(path: Path) -> bool:
    """Whether ``path`` is an ordinary file. Opening anything else may block, or read from a
    device."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def content(path: Path, largest: int | None = LARGEST) -> bytes:
    """The bytes of the file at ``path``.

    Args:
        path: the file.
        largest: largest size in bytes; None for any size.

    Raises:
        DamagedError: the file is missing, not ordinary, unreadable or too large.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise DamagedError(f"{path} is no ordinary file")
        if largest is not None and about.st_size > largest:
            raise DamagedError(f"{path} has {about.st_size} bytes; more than {largest} are not read")
        return path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path}: {error}") from None


def parsed(data: bytes, path: Path) -> Any:
    """The value of the JSON text ``data``, which was read from ``path``.

    Raises:
        DamagedError: it is not JSON, or deeper than :data:`DEEPEST`.
    """
    if depth(data) > DEEPEST:
        raise DamagedError(f"{path} is nested deeper than {DEEPEST} levels, which is not read")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: {error}") from None


def depth(data: bytes) -> int:
    """Levels of nesting of the JSON text ``data``; for a text with few brackets, their number."""
    brackets = data.count(b"[") + data.count(b"{")
    if brackets <= DEEPEST:
        return brackets
    # a list of thousands of Records is megabytes, of which the brackets outside texts are few
    only = _TEXTS.sub(b"", data).translate(None, _NO_BRACKETS)
    return max(accumulate((1 if code in b"[{" else -1 for code in only), initial=0))


def inside(folder: Path, name: str) -> Path:
    """The path of the file ``name`` (with slashes) in ``folder``.

    Raises:
        DamagedError: the file is outside the folder, or a link out of it.
    """
    if _PLAIN.fullmatch(name) and not (folder / name).is_symlink():
        return folder / name  # a file directly in the folder, the usual case: there are no links to resolve
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or not path.parts or any(c in name for c in "\\:\0")
    whole = folder / path
    if outside or not whole.resolve().is_relative_to(folder.resolve()):
        raise DamagedError(f"{folder / 'record.json'} names {name[:100]!r}, which is not in that folder")
    return whole
