"""What can be asked of the runs of a list: short fields, and every setting, last metric and
circumstance by its path.

    data, method, seed, top1 ...    the short fields (:data:`SHORT`), from the list alone
    recipe.learning_rate            a setting of spec.json; teacher.method.name is one of the teacher
    last.train_top1                 the last epoch's row of metrics
    environment.torch               a circumstance of the training
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from didact.files.checked import DamagedError
from didact.files.sizes import size
from didact.spec import SpecError, clean, closest, shown
from didact.store.notes import note
from didact.store.query.language import Facts, Query, Value, compares_in_vain, is_number, no_number, parse, written
from didact.store.query.listing import Row
from didact.store.record import Record

SHORT: Mapping[str, str] = {
    "digest": "its address",
    "run": "network, method and seed, as in the list",
    "net": "the network",
    "method": "the method, with its preset: fitnet+kd",
    "how": "the method with its changed settings, as in the list",
    "data": "the data set's name",
    "images": "the data set with what is used of it, as in the list",
    "teacher": "how the teacher was trained and its network, as in the list",
    "recipe": "the recipe, as in the list",
    "epochs": "how many it was trained for",
    "seed": "the training seed",
    "top1": "test top-1 (%), as in the list",
    "finished": "when, as 2026-11-29 18:30",
    "mb": "megabytes on disk",
    "note": "the user's note",
}
"""The fields that every run has, with what they are."""

VALUES = 8
"""Values of a field that are named where no run fits."""

_FILES = {"last": Record.final, "environment": Record.environment}
"""What the first part of a path reads; any other reads spec.json."""


@dataclass(frozen=True)
class Found:
    """A run of a list, its folder, and what was asked of it."""

    folder: Path
    row: Row
    facts: Facts


@dataclass(frozen=True)
class Selection:
    """Which runs of a list are shown, and in which order.

    Attributes:
        where: which; None for all.
        sort: by which fields, and whether from the largest.
    """

    where: Query | None = None
    sort: tuple[tuple[str, bool], ...] = ()

    @classmethod
    def read(cls, where: str | None, sort: str | None) -> Selection:
        """From the texts of ``--where`` and ``--sort``.

        Raises:
            SpecError: one of them makes no sense.
        """
        keys = [] if sort is None else [key.strip() for key in sort.split(",")]
        if not all(key.removeprefix("-") for key in keys):
            raise SpecError(f"sort: fields with commas between them, such as -top1,seed, found {shown(sort)}")
        order = tuple((key.removeprefix("-"), key.startswith("-")) for key in keys)
        return cls(None if where is None else parse(where), order)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are named, each once."""
        named = (*(key for key, _ in self.sort), *sorted(self.where.fields if self.where else ()))
        return tuple(dict.fromkeys(named))

    def of(self, rows: Iterable[tuple[Path, Row]]) -> list[Found]:
        """The runs that are meant, in order.

        Raises:
            SpecError: no run has a field that is named, or a number is compared with a word.
        """
        listed = [Found(folder, row, facts(folder, row, self.fields)) for folder, row in rows]
        self._check(listed)
        if self.where is not None:
            listed = [one for one in listed if self.where.fits(one.facts)]
        for key, down in reversed(self.sort):
            listed.sort(key=lambda one: _order(one.facts.get(key)), reverse=down)
            listed.sort(key=lambda one: one.facts.get(key) is None)  # a run without the field comes last either way
        return listed

    def _check(self, listed: Sequence[Found]) -> None:
        """Raise SpecError for a field that none of the runs has, and no run can have."""
        for field in self.fields:
            if not listed or any(field in one.facts for one in listed):
                continue
            from didact.store.query import declared  # imports all methods

            if declared.has(field):
                continue
            known = declared.beside(field).union(SHORT, *(everything(one.folder, one.row) for one in listed))
            close = closest(field, known, 2)
            near = f"; did you mean {' or '.join(map(repr, close))}?" if close else "; didact runs --fields lists them"
            raise SpecError(f"no run has a field {shown(field)}{near}")
        for field, sign, word in self.where.tests if self.where is not None else ():
            values = [value for one in listed if (value := one.facts.get(field)) is not None]
            if values and all(map(is_number, values)) and compares_in_vain(sign, word):
                raise SpecError(no_number(field, sign, word, values[0]))

    def values(self, rows: Iterable[tuple[Path, Row]]) -> list[str]:
        """For each field of the query the values that there are, the most frequent first, in a line: what to
        write where no run is meant."""
        named = self.where.fields if self.where is not None else frozenset[str]()
        known = [facts(folder, row, named) for folder, row in rows]
        lines: list[str] = []
        for field in sorted(named):
            counts = Counter(written(one.get(field)) for one in known)
            most = [shown(value) for value, _ in counts.most_common(VALUES)]
            lines += [f"{field} is {', '.join(most)}{', ...' if len(counts) > VALUES else ''}"] if most else []
        return lines


def facts(folder: Path, row: Row, fields: Collection[str]) -> Facts:
    """What is known of a run: those of ``fields`` that it has. A field that holds fields, such as
    ``start`` or ``teacher.recipe``, is the name of what they describe."""
    contents: dict[Any, Any] = {}
    known: dict[str, Value] = {}
    for field in fields:
        if field in SHORT:
            known[field] = _short(folder, row, field)
            continue
        head, _, rest = field.partition(".")
        read = _FILES.get(head, Record.spec)
        if read not in contents:
            contents[read] = _content(folder, read)
        at = _at(contents[read], (rest if head in _FILES else field).split("."))
        if at is not _NOTHING:
            known[field] = _value(at)
    return known


def everything(folder: Path, row: Row) -> Facts:
    """All fields of a run, without those that hold fields."""
    known: dict[str, Value] = {name: _short(folder, row, name) for name in SHORT}
    known.update((key, value) for key, value in _flat(_content(folder, Record.spec)) if key not in SHORT)
    for head, read in _FILES.items():
        known.update(_flat(_content(folder, read), head))
    return known


def _content(folder: Path, read: Any) -> Any:
    try:
        return read(Record(folder))
    except DamagedError:  # since it was listed; whoever uses the Record is told
        return {}


def _short(folder: Path, row: Row, name: str) -> Value:
    match name:
        case "run":
            return row.label
        case "data":
            return row.dataset or None
        case "images":
            return row.data or None
        case "top1":
            return round(row.top1, 2)
        case "note":
            return note(folder) or None
        case "mb":
            return round(size(folder) / 1e6, 2)
        case "finished":
            return finished(folder)
        case _:
            return getattr(row, name) or (None if isinstance(getattr(row, name), str) else 0)


def finished(folder: Path) -> str | None:
    """When the run in ``folder`` became a Record, in local time."""
    try:
        return datetime.fromtimestamp((folder / "record.json").stat().st_mtime).isoformat(" ", "minutes")
    except (OSError, OverflowError, ValueError):
        return None


_NOTHING = object()


def _at(value: Any, path: Sequence[str]) -> Any:
    """What plain data hold at ``path``; a key may have dots of its own."""
    if not path:
        return value
    if isinstance(value, list):
        at = int(path[0]) if path[0].isdecimal() and len(path[0]) < 9 else len(value)
        return _at(value[at], path[1:]) if at < len(value) else _NOTHING
    for end in range(1, len(path) + 1) if isinstance(value, Mapping) else ():
        inner = value.get(".".join(path[:end]), _NOTHING)
        inner = inner if inner is _NOTHING else _at(inner, path[end:])
        if inner is not _NOTHING:
            return inner
    return _NOTHING


_NAMES = ("name", "net", "run", "file", "label", "module")
"""What a description may be called by, in this order."""


def _value(value: Any) -> Value:
    """A value for a query. Of a description its name, of several the names with commas."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        name = next((value[key] for key in _NAMES if value.get(key) is not None), None)
        return ",".join(map(str, value)) or None if name is None else _value(name)
    if isinstance(value, list):
        return ",".join(written(_value(inner)) for inner in value) or None
    return clean(value)


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, Value]]:
    """The values of plain data by their paths; a list of plain values is a text with commas."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and any(isinstance(inner, (list, Mapping)) for inner in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{at}.{place}")
    elif isinstance(value, list):
        yield clean(at), ",".join(clean(inner) for inner in value)
    elif value is None or isinstance(value, (bool, int, float)):
        yield clean(at), value
    else:
        yield clean(at), clean(value)


def _order(value: Value) -> tuple[int, float, str]:
    """Numbers in order, then texts."""
    if value is None or isinstance(value, (bool, int, float)):
        return (0, float(value or 0), "")
    return (1, 0.0, value.lower())
