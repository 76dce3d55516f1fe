"""Reading files that may come from anywhere: ordinary files, inside their folder, of a bounded size, JSON of a bounded depth.

A store may have been downloaded. What it holds is damaged at worst: it blocks no process (a FIFO), shows no other file (a link, a
path with ``..``), and fills neither the memory nor the stack.
"""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path, PurePosixPath
from typing import Any

LARGEST = 2**26
"""Bytes of the largest JSON or metrics that are read: 64 MiB, some 60,000 epochs."""

DEEPEST = 100
"""Levels of the deepest JSON that is read. A teacher is a level, so a Run may have some 90 teachers in a row."""

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)

_PLAIN = re.compile(r"[\w-]+(\.[\w-]+)*")
"""A name that stands for a file in the folder itself, on every system."""


class DamagedError(ValueError):
    """A file does not hold what was written."""


def is_file(path: Path) -> bool:
    """Whether there is an ordinary file at ``path``: to open anything else may block, or read from a device."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def content(path: Path, largest: int | None = LARGEST) -> bytes:
    """The bytes of the file at ``path``.

    Args:
        largest: how many there may be; None for any number.

    Raises:
        DamagedError: it is missing, no ordinary file, unreadable or too large.
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
    """The JSON text ``data``, which comes from ``path``.

    Raises:
        DamagedError: it is no JSON, or deeper than :data:`DEEPEST`.
    """
    if depth(data) > DEEPEST:
        raise DamagedError(f"{path} is nested deeper than {DEEPEST} levels, which is not read")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: {error}") from None


def depth(data: bytes) -> int:
    """The levels of nesting of the JSON text ``data``; where it has few brackets in all, their number."""
    brackets = data.count(b"[") + data.count(b"{")
    if brackets <= DEEPEST:
        return brackets
    deepest = now = 0
    for token in _TOKENS.finditer(data):
        now += {91: 1, 123: 1, 93: -1, 125: -1}.get(data[token.start()], 0)  # the codes of [ { ] }
        deepest = max(deepest, now)
    return deepest


def inside(folder: Path, name: str) -> Path:
    """The path of the file ``name`` in ``folder``, as a Record names it: with slashes.

    Raises:
        DamagedError: it is not in the folder, or a link out of it.
    """
    if _PLAIN.fullmatch(name) and not (folder / name).is_symlink():
        return folder / name  # a file of the folder itself, as nearly all are: links on the way to it need not be resolved
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or not path.parts or any(c in name for c in "\\:\0")
    whole = folder / path
    if outside or not whole.resolve().is_relative_to(folder.resolve()):
        raise DamagedError(f"{folder / 'record.json'} names {name[:100]!r}, which is not in that folder")
    return whole
