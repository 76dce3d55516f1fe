"""Which files of a Record go elsewhere, and what each may be: data, never code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from didact.files.checked import DamagedError, file_checksum
from didact.files.reading import LARGEST, content, is_file
from didact.store import notes
from didact.store.answers import results
from didact.store.record import CHECKED, Record

SEAL = "record.json"
_ANCHOR = re.compile(r"route/\d{4,}\.safetensors")
_ANSWERS = re.compile(r"[a-z][A-Za-z0-9_.+-]{0,150}\.json")


def is_sealed(name: str) -> bool:
    """Whether a Record's seal may name the file ``name``."""
    return name in CHECKED or _ANCHOR.fullmatch(name) is not None


def is_portable(name: str) -> bool:
    """Whether a file of a Record with this name may go elsewhere, or come from there."""
    return name == SEAL or is_sealed(name) or _ANSWERS.fullmatch(name) is not None


def names(record: Record) -> list[str]:
    """The files of ``record`` that go with it: those that are sealed, the seal, results and the
    user's note.

    Raises:
        DamagedError: the seal names a file that no Record has.
    """
    for name in record.sums:
        if not is_sealed(name):
            raise DamagedError(f"{record.folder / SEAL} names {name[:100]!r}, which is no file of a Record")
    beside = sorted(name for name in os.listdir(record.folder) if name != SEAL and name not in record.sums)
    return [SEAL, *record.sums, *(name for name in beside if _goes(record.folder, name))]


def answers(record: Record) -> Iterator[tuple[str, list[results.Entry]]]:
    """The files of ``record`` with results, without suffix, and what they hold."""
    seal = file_checksum(record.folder / SEAL)
    for name in sorted(filter(has_answers, os.listdir(record.folder))):
        if seal is not None and _goes(record.folder, name):
            yield name.removesuffix(".json"), results.entries_of(content(record.folder / name), seal) or []


def has_answers(name: str) -> bool:
    """Whether a file of a Record with this name may hold results."""
    return name not in (SEAL, notes.FILE) and not is_sealed(name) and _ANSWERS.fullmatch(name) is not None


def _goes(folder: Path, name: str) -> bool:
    """Whether a file beside a Record goes with it: a note, or results of the Record."""
    path = folder / name
    if _ANSWERS.fullmatch(name) is None or path.is_symlink() or not is_file(path):
        return False
    if name == notes.FILE:
        return notes.read(folder) is not None
    try:
        seal = file_checksum(folder / SEAL)
        return seal is not None and results.entries_of(content(path), seal) is not None
    except DamagedError:
        return False


def files(folder: Path) -> list[str]:
    """The names of all files in ``folder`` and below, with slashes."""
    return [Path(parent, name).relative_to(folder).as_posix() for parent, _, inner in os.walk(folder) for name in inner]


def longest(name: str) -> int | None:
    """How many bytes a file of this name may have; None for any number."""
    return None if name.endswith(".safetensors") else LARGEST
