"""Files written completely or not at all: to a temporary name, synced, then renamed. Reading
executes no code."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path
from typing import Any

from didact.files.reading import DamagedError, content, is_file, parsed
from didact.spec import strict_json

TEMPORARY = re.compile(r"\.(.+)\.\d+\.tmp", re.DOTALL)
"""The name of a temporary file of :func:`write`."""

STILL = 600
"""Seconds without a byte after which a temporary file may be a killed process's."""


def write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` completely or not at all, even if the machine stops in the middle.

    Raises:
        OSError: the disk is full or not writable. The previous content of ``path`` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # also of Ctrl-C
        with contextlib.suppress(OSError):  # a read-only disk allows no removal either
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}; what was kept before is intact") from error
    sync_folder(path.parent)


def clear_left(folder: Path, ends: tuple[str, ...]) -> None:
    """Remove temporary files of :func:`write` that a killed process left in ``folder``: those of
    files whose names end with one of ``ends``, if nothing was written to them for a while. For a
    folder that others write to, too. What cannot be removed stays.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = TEMPORARY.fullmatch(name)
            if found is not None and found[1].endswith(ends):
                with contextlib.suppress(OSError):
                    left = Path(folder, name)
                    if time.time() - left.stat().st_mtime > STILL:
                        left.unlink()


def clear_temporary(folder: Path) -> None:
    """Remove temporary files that :func:`write` left in ``folder`` and its subfolders when its
    process died.

    No other process may write to the folder. Links are not followed.
    """
    for parent, _, names in os.walk(folder):
        for name in filter(TEMPORARY.fullmatch, names):
            Path(parent, name).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names in ``folder`` last, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, completely or not at all."""
    write(path, json_text(value))


def json_text(value: Any) -> bytes:
    """The content of a JSON file. Numbers that are not finite become null."""
    return (strict_json(value, indent=1, sort_keys=True) + "\n").encode()


def read_json(path: Path) -> Any:
    """The JSON at ``path``.

    Raises:
        DamagedError: the file is missing, not JSON, too large or nested too deeply.
    """
    return parsed(content(path), path)


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl. :func:`read_rows` drops a line that a kill truncated.

    Raises:
        OSError: the disk is full or not writable; the message names ``path``.
    """
    try:
        with open(path, "a") as file:
            file.write(strict_json(row) + "\n")
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


def read_rows(path: Path, epochs: int | None = None) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl up to ``epochs``; only complete lines."""
    return parse_rows(content(path), path, epochs) if path.exists() else []


def parse_rows(data: bytes, path: Path, epochs: int | None = None) -> list[dict[str, Any]]:
    """The rows of metrics in ``data`` up to ``epochs``; only complete lines."""
    rows: list[dict[str, Any]] = []
    for line in data.splitlines():
        try:
            row = parsed(line, path)
        except DamagedError:
            break
        if epochs is not None and row["epoch"] > epochs:
            break
        rows.append(row)
    return rows


def file_checksum(path: Path) -> str | None:
    """SHA-256 of a file; None if it is missing or no ordinary file."""
    if not is_file(path):
        return None
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
