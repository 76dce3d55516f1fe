"""Files written completely or not at all: to a temporary name, synced, then renamed. Reading
executes no code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

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
    except OSError as error:
        with contextlib.suppress(OSError):  # a read-only disk allows no removal either
            temporary.unlink(missing_ok=True)
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


def write_tensors(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write tensors and plain values to one safetensors file with a checksum.

    Non-finite values become null.
    """
    tied = _tied(tensors)
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items() if k not in tied}
    text = strict_json(values)
    # one key: safetensors writes several in an order that differs from process to process
    head = {"sha256": _checksum(plain, text + _tied_text(tied)), "values": text} | ({"tied": tied} if tied else {})
    write(path, safetensors.torch.save(plain, {"didact": json.dumps(head)}))


def _tied(tensors: dict[str, Tensor]) -> dict[str, str]:
    """The first name of every tensor that has had another name before, by its later names."""
    first: dict[object, str] = {}
    tied: dict[str, str] = {}
    for name, tensor in tensors.items():
        if tensor.numel():
            place = tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
            if first.setdefault(place, name) != name:
                tied[name] = first[place]
    return tied


def _tied_text(tied: dict[str, str]) -> str:
    return json.dumps(tied, sort_keys=True) if tied else ""


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and values from a file of :func:`write_tensors`.

    Raises:
        DamagedError: the file is missing or truncated, or its checksum does not match.
    """
    try:
        data = content(path, largest=None)  # the library itself cannot open a path that is not UTF-8
        tensors = safetensors.torch.load(data)
        header = parsed(data[8 : 8 + int.from_bytes(data[:8], "little")], path)  # the length of the header, then the header
        head = parsed(header.get("__metadata__", {}).get("didact", "{}").encode(), path)
    except DamagedError:
        raise
    except (OSError, ValueError, AttributeError, safetensors.SafetensorError) as error:
        raise DamagedError(f"{path}: {error}") from None
    tied = head.get("tied", {}) if isinstance(head, dict) else {}
    if not isinstance(head, dict) or head.get("sha256") != _checksum(tensors, head.get("values", "") + _tied_text(tied)):
        raise DamagedError(f"{path}: the checksum does not fit the content")
    return tensors | {name: tensors[first] for name, first in tied.items()}, json.loads(head["values"])


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


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
