"""What is written to disk, and how: every file is written to a temporary name, synced, then renamed; nothing executes code.

A Record's folder:

    spec.json            the run, canonical JSON            environment.json   versions, device, command
    images.json          which images, by index             metrics.jsonl      one line an epoch
    checkpoint.safetensors   while it trains: its state     weights.safetensors    when done: net.* and extras.*
    record.json          checksums; written last            failed.json        why it stopped, if it did
    route/0060.safetensors   net.* after epoch 60, where a student follows the route
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from didact.spec import strict_json

_TEMPORARY = re.compile(r"\..+\.\d+\.tmp", re.DOTALL)
CHECKED = ("spec.json", "environment.json", "images.json", "metrics.jsonl", "weights.safetensors")


class DamagedError(ValueError):
    """A file does not hold what was written."""


def write(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` completely or not at all, even when the machine stops in the middle.

    Raises:
        OSError: the disk is full or not writable; what stood at ``path`` before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # where nothing can be written, nothing can be removed
            temporary.unlink(missing_ok=True)
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}; what was kept before is intact") from error
    _sync_folder(path.parent)


def clear_temporary(folder: Path) -> None:
    """Remove what :func:`write` had not finished in ``folder`` when its process died. For a folder that nobody else writes to.

    The folders in it are cleared, too; links are not followed.
    """
    for parent, _, names in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, names):
            Path(parent, name).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    write(path, json_text(value))


def json_text(value: Any) -> bytes:
    """The content of a JSON file. What is not a finite number is null: JSON has no word for it."""
    return (strict_json(value, indent=1, sort_keys=True) + "\n").encode()


def read_json(path: Path) -> Any:
    """The JSON at ``path``.

    Raises:
        DamagedError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DamagedError(f"{path}: {error}") from None


def write_tensors(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Tensors and plain values as one safetensors file that carries its own checksum. A value that is not finite is null."""
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    text = strict_json(values)
    # one key: safetensors writes several in an order that differs from process to process
    head = json.dumps({"sha256": _checksum(plain, text), "values": text})
    write(path, safetensors.torch.save(plain, {"didact": head}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`write_tensors` wrote.

    Raises:
        DamagedError: the file is missing, torn, or its checksum does not fit.
    """
    try:
        data = path.read_bytes()  # and not the library, which opens no path that is not UTF-8
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # the length of the header, then the header
        head = json.loads(header.get("__metadata__", {}).get("didact", "{}"))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise DamagedError(f"{path}: {error}") from None
    if not isinstance(head, dict) or head.get("sha256") != _checksum(tensors, head.get("values", "")):
        raise DamagedError(f"{path}: the checksum does not fit the content")
    return tensors, json.loads(head["values"])


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name}{value.dtype}{tuple(value.shape)}".encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Add a line to metrics.jsonl. A line torn by a kill is dropped by the next :func:`read_rows`.

    Raises:
        OSError: the disk is full or not writable; the message names ``path``.
    """
    try:
        with open(path, "a") as file:
            file.write(strict_json(row) + "\n")
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


def read_rows(path: Path, epochs: int | None = None) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, whole lines only, and none after ``epochs``."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break
            if epochs is not None and row["epoch"] > epochs:
                break
            rows.append(row)
    return rows


def environment(device: str) -> dict[str, Any]:
    """What the run was computed with; a record of the circumstances, not a part of the run."""
    from didact import __version__

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else processor()
    return {
        "didact": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def anchor_path(folder: Path, epoch: int) -> Path:
    """Where a run's network after ``epoch`` lies."""
    return folder / "route" / f"{epoch:04d}.safetensors"


@dataclass(frozen=True)
class Record:
    """What a finished run left behind, in ``folder``."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Record | None:
        """The Record in ``folder``; None when there is none (yet).

        Raises:
            DamagedError: a file is missing or differs from what was written.
        """
        seal = folder / "record.json"
        if not seal.exists():
            return None
        sums = read_json(seal)
        for name in {*CHECKED, *(sums if isinstance(sums, dict) else ())}:
            if not isinstance(sums, dict) or sums.get(name) != file_checksum(folder / name):
                raise DamagedError(f"{folder / name} is not what was written")
        return cls(folder)

    @classmethod
    def seal(cls, folder: Path) -> Record:
        """Declare the files of ``folder`` complete: from now on it is a Record."""
        names = [*CHECKED, *(path.relative_to(folder).as_posix() for path in folder.glob("route/*.safetensors"))]
        write_json(folder / "record.json", {name: file_checksum(folder / name) for name in names})
        return cls(folder)

    def spec(self) -> dict[str, Any]:
        return read_json(self.folder / "spec.json")

    def environment(self) -> dict[str, Any]:
        return read_json(self.folder / "environment.json")

    def metrics(self) -> list[dict[str, Any]]:
        """One row an epoch."""
        return read_rows(self.folder / "metrics.jsonl")

    def final(self) -> dict[str, Any]:
        """The last epoch's row. Its ``test_top1`` is the figure of the run: the test set chose nothing."""
        return self.metrics()[-1]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The weights, ``net.*`` and ``extras.*``, and with how many ``samples`` they were trained."""
        return read_tensors(self.folder / "weights.safetensors")


def file_checksum(path: Path) -> str | None:
    """SHA-256 of a file; None when it is missing."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
