"""The rows of a list of Records, stored in an index so that each Record is read once.

``index.json`` in the store's folder holds the texts of each row, with the sizes and modification
times of the Record's files, by the name of its folder. A row is made again if a size or time
differs, or if didact itself has changed. The file is only a cache: Records are checked against
their checksums whenever they are used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import didact
from didact.files.checked import DamagedError, read_json, write
from didact.spec import canonical, clean, to_json
from didact.store.entries import Entry, Finished, Lost, code_names
from didact.store.kin import group, needed
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
        net, method, dataset, seed, epochs: of the run by themselves, where its spec.json has them;
            ``method`` with its preset, ``dataset`` the name of the data.
        needs: digests of the runs that this one needs, at any depth.
        group: digests of the runs that are trained together with it, itself among them.
    """

    digest: str
    label: str
    how: str
    data: str
    teacher: str
    recipe: str
    net: str
    method: str
    dataset: str
    seed: int
    epochs: int
    top1: float
    code: tuple[str, ...]
    needs: tuple[str, ...]
    group: tuple[str, ...]
    trusted: bool


def rows(store: Store) -> Iterator[Row | Lost]:
    """Every folder of the store, in alphabetical order: a row for each Record, otherwise the reason
    for none."""
    return (row for _, row in placed(store))


def placed(store: Store) -> Iterator[tuple[Path, Row | Lost]]:
    """The same, each after its folder."""
    index = _Index(store)
    for folder in store.folders():
        yield folder, index.row(folder)
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
            self._store.once(
                f"the list cannot be remembered in {self._store.root}: {reason}; the next one reads every Record again"
            )


_FIELDS = tuple(Row.__dataclass_fields__)
_KINDS: Mapping[str, Any] = dict.fromkeys(_FIELDS, str) | {
    "seed": int,
    "epochs": int,
    "top1": (int, float),
    "code": list,
    "needs": list,
    "group": list,
    "trusted": bool,
}


def _row(entry: Entry) -> Row:
    assert not isinstance(entry, Lost)
    top1 = entry.record.final()["test_top1"]
    if not isinstance(entry, Finished):
        return Row(
            digest=entry.digest,
            label=entry.label,
            how=f"{entry.method} (code not trusted)",
            data="",
            teacher="",
            recipe="",
            net=entry.net,
            method=entry.method,
            dataset=clean(_at(entry.spec, "data", "name") or ""),
            seed=_whole(_at(entry.spec, "seed")),
            epochs=_whole(_at(entry.spec, "recipe", "epochs")),
            top1=top1,
            code=entry.code,
            needs=tuple(sorted(needed(entry.spec))),
            group=tuple(group(entry.spec)),
            trusted=False,
        )
    from didact.runs.labels import recipe_label, row_label, teacher_label

    run, spec = entry.run, to_json(entry.run)
    return Row(
        digest=run.digest,
        label=clean(run.label),
        how=clean(row_label(run)),
        data=clean(run.data.label),
        teacher=clean(teacher_label(run.teacher, run)) if run.teacher else "",
        recipe=recipe_label(run),
        net=clean(run.net),
        method=clean(run.way),
        dataset=clean(run.data.name),
        seed=run.seed,
        epochs=run.epochs,
        top1=top1,
        code=tuple(sorted(code_names(spec))),
        needs=tuple(sorted(needed(spec))),
        group=tuple(group(spec)),
        trusted=True,
    )


def _at(spec: Any, *keys: str) -> Any:
    """The value at a path of plain data; None if there is none."""
    for key in keys:
        spec = spec.get(key) if isinstance(spec, Mapping) else None
    return spec


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


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
    values: dict[str, Any] = {name: known.get(name) for name in _FIELDS}
    if not all(isinstance(values[name], kinds) for name, kinds in _KINDS.items()):
        return None
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(map(str, value))
        elif isinstance(value, str):
            values[name] = clean(value)
    return Row(**values)


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
    stamps = [(name, about.st_size, about.st_mtime_ns) for name, about in own_files()]
    return f"{didact.__version__} {hashlib.sha256(canonical(stamps).encode()).hexdigest()[:16]}"


def own_files() -> list[tuple[str, os.stat_result]]:
    """didact's modules, by their paths inside the package."""
    package = Path(didact.__file__).parent
    return [(str(path.relative_to(package)), path.stat()) for path in sorted(package.rglob("*.py"))]
