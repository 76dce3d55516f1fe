"""The rows of a list of Records, stored in an index so that each Record is read once.

``index.json`` in the store's folder holds the texts of each row, with the sizes and modification
times of the Record's files, by the name of its folder. A row is made again if a size or time
differs, or if didact itself has changed. The file is only a cache: Records are checked against
their checksums whenever they are used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from didact import __version__
from didact.files.checked import DamagedError, read_json, write
from didact.runs.labels import recipe_label, row_label, teacher_label
from didact.spec import canonical, clean
from didact.store.entries import Entry, Finished, Lost, codes
from didact.store.record import CHECKED
from didact.store.store import Store

FILE = "index.json"


@dataclass(frozen=True)
class Row:
    """A finished run in a list. All texts are cleaned.

    Attributes:
        code: names of the user's own code in the run.
        trusted: whether a Run was built; without it, ``data``, ``teacher`` and ``recipe`` are
            empty.
        top1: the last epoch's test accuracy in percent.
    """

    digest: str
    label: str
    how: str
    data: str
    teacher: str
    recipe: str
    top1: float
    code: tuple[str, ...]
    trusted: bool


def rows(store: Store) -> Iterator[Row | Lost]:
    """Every folder of the store, in alphabetical order: a row for each Record, otherwise the reason
    for none."""
    index = _Index(store)
    for folder in store.folders():
        yield index.row(folder)
    index.write()


class _Index:
    """The stored rows of one store, and the rows of this list."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.root / FILE
        self._known = _read(self._path)
        self._now: dict[str, Any] = {}

    def row(self, folder: Path) -> Row | Lost:
        stamp = _stamp(folder)
        known = self._known.get(folder.name)
        if stamp and isinstance(known, dict) and known.get("stamp") == stamp:
            row = _parsed(known)
            if row is not None and row.trusted == self._store.trusts(frozenset(row.code)):
                self._now[folder.name] = known
                return row
        entry = self._store.entry(folder)
        if isinstance(entry, Lost):
            return entry
        row = _row(entry)
        if stamp:
            self._now[folder.name] = {"stamp": stamp, **{name: getattr(row, name) for name in _FIELDS}}
        return row

    def write(self) -> None:
        """Store the rows. If that is impossible, a message says so, and the next list makes them
        again."""
        if self._now == self._known:
            return
        try:
            write(self._path, (canonical({"by": version(), "rows": self._now}) + "\n").encode())
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            self._store.say(
                f"the list cannot be remembered in {self._store.root}: {reason}; the next one reads every Record again"
            )


_FIELDS = tuple(Row.__dataclass_fields__)


def _row(entry: Entry) -> Row:
    assert not isinstance(entry, Lost)
    top1 = entry.record.final()["test_top1"]
    if not isinstance(entry, Finished):
        how = f"{entry.method} (code not trusted)"
        return Row(entry.digest, entry.label, how, "", "", "", top1, entry.code, trusted=False)
    run = entry.run
    return Row(
        digest=run.digest,
        label=clean(run.label),
        how=clean(row_label(run)),
        data=clean(run.data.label),
        teacher=clean(teacher_label(run.teacher)) if run.teacher else "",
        recipe=recipe_label(run),
        top1=top1,
        code=tuple(sorted(codes(run))),
        trusted=True,
    )


def _read(path: Path) -> dict[str, Any]:
    """The stored rows; none if the file is missing, damaged, or of another version of didact."""
    try:
        whole = read_json(path) if not path.is_symlink() else None
    except DamagedError:
        return {}
    rows = whole.get("rows") if isinstance(whole, dict) and whole.get("by") == version() else None
    return rows if isinstance(rows, dict) else {}


def _parsed(known: dict[str, Any]) -> Row | None:
    """The row of an entry of the file; None if the entry is invalid."""
    values = {name: known.get(name) for name in _FIELDS}
    code, top1 = values.pop("code"), values.pop("top1")
    trusted = values.pop("trusted")
    texts = all(isinstance(text, str) for text in values.values())
    if not texts or not isinstance(code, list) or not isinstance(top1, (int, float)) or not isinstance(trusted, bool):
        return None
    cleaned = {name: clean(text) for name, text in values.items()}
    return Row(**cleaned, top1=top1, code=tuple(map(str, code)), trusted=trusted)


def _stamp(folder: Path) -> list[int] | None:
    """Sizes and modification times of a Record's files; None if one is missing or no ordinary
    file."""
    stamp: list[int] = []
    base = os.fspath(folder)
    for name in ("record.json", *CHECKED):
        try:
            about = os.lstat(f"{base}/{name}")
        except OSError:
            return None
        if about.st_mode & 0o170000 != 0o100000:
            return None
        stamp += [about.st_size, about.st_mtime_ns]
    return stamp


@cache
def version() -> str:
    """The version of didact, with a hash of the sizes and times of its files, which make the
    rows."""
    package = Path(__file__).parents[1]
    files = [(str(path.relative_to(package)), path.stat()) for path in sorted(package.rglob("*.py"))]
    stamps = [(name, about.st_size, about.st_mtime_ns) for name, about in files]
    return f"{__version__} {hashlib.sha256(canonical(stamps).encode()).hexdigest()[:16]}"
