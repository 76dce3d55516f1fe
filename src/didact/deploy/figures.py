"""What lies next to an exported file: its description, and figures that were measured later,
``student.onnx.bench.json``.

Figures hold for the file with the checksum that is kept with them, and for one machine, which they
name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from didact.deploy.bench import Benched, Settings
from didact.files.checked import file_checksum, read_json, write_json
from didact.files.disk import refusal, unwritable
from didact.files.reading import DamagedError, is_file
from didact.machine import processor
from didact.spec import RequestError, clean

FORMAT = 1
"""Rises when the figures are read otherwise."""


def description_of(path: Path) -> Path:
    """Where the description of an exported file is: ``student.json`` for ``student.onnx``, and for
    other forms ``student.pte.json``, so that each form of a network has its own."""
    return path.with_suffix(".json") if path.suffix == ".onnx" else path.with_name(f"{path.name}.json")


def check_whole(path: Path) -> None:
    """Refuse a file that is not the one that the description next to it is of. A runtime reads
    changed weights without a word.

    Raises:
        RequestError: the file has another checksum than its description says.
    """
    try:
        beside = read_json(description_of(path))
    except DamagedError:
        return  # a file may be carried without its description
    known = beside.get("sha256") if isinstance(beside, dict) else None
    if known is not None and known != file_checksum(path):
        raise RequestError(
            f"{clean(path)} is damaged, or not the file that {clean(description_of(path).name)} next to it is of; export it "
            "again, or move that description away"
        )


def place(path: Path) -> Path:
    """Where the figures of the file at ``path`` are."""
    return path.with_name(f"{path.name}.bench.json")


def keep(found: Benched, settings: Settings) -> Path:
    """Write what was measured next to the file, in place of what was there; its place.

    Raises:
        RequestError: nothing can be written there.
    """
    about = {
        "format": FORMAT,
        "sha256": file_checksum(found.path),
        "machine": processor(),
        "date": datetime.now(UTC).date().isoformat(),
        "threads": settings.threads,
        "warm_up": settings.warm_up,
    }
    try:
        write_json(place(found.path), about | found.plain() | {"file": found.path.name})
    except OSError as error:
        raise unwritable(error, f"keep: {clean(refusal(error))}") from None
    return place(found.path)


def kept(path: Path) -> dict[str, Any] | None:
    """The figures kept for the file at ``path``; None where there are none, or they are of another
    file or of another version of didact."""
    where = place(path)
    if not is_file(where):
        return None
    try:
        found = read_json(where)
        whole = all(key in found for key in ("machine", "date", "threads", "runtime", "latency", "memory", "activations"))
        return found if whole and found["format"] == FORMAT and found["sha256"] == file_checksum(path) else None
    except (DamagedError, TypeError, KeyError):
        return None
