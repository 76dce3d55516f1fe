"""Figures that a paper published, and a table that compares ours with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from didact.runs.spread import Sample, difference
from didact.runs.spread import text as number_text
from didact.spec import plural
from didact.tables.table import Cell, Quantity, Table
from didact.tables.verdict import Region, Verdict, verdict

Place = tuple[str, str]
"""Row and column."""

OURS = "Ours: test accuracy after the last epoch; no test image chooses anything."
"""The rule of reporting, where a measure has no other."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?: ?± ?\d+(?:\.\d+)?)?")


@dataclass(frozen=True)
class Figure:
    """A published figure, with the ± that is printed with it, if any."""

    value: float
    spread: float | None = None

    @classmethod
    def read(cls, text: str, which: int = 0) -> Figure | None:
        """The ``which``-th number of a cell such as "75.52 ± 0.18" or "76.05 (81.19)"; None if
        there is none.
        """
        found = _NUMBER.findall(text)
        if len(found) <= which:
            return None
        value, _, spread = found[which].partition("±")
        return cls(float(value), float(spread) if spread else None)

    def text(self, digits: int = 2) -> str:
        """ "75.52 ± 0.18"."""
        return f"{self.value:.{digits}f}" + ("" if self.spread is None else f" ± {self.spread:.{digits}f}")


@dataclass(frozen=True)
class Published:
    """The figures of a paper's table.

    Attributes:
        source: paper and table, with a link.
        rule: how the paper came to a figure: over how many runs, after which epoch; or that it does
            not say.
        figures: by row and column, named as in our table.
        same: whether our study has the paper's networks, data and recipe. Otherwise only the
            directions of differences are compared.
        stand_ins: which of our columns or networks stand for others of the paper, in words.
    """

    source: str
    rule: str
    figures: Mapping[Place, Figure] = field(default_factory=dict)
    same: bool = False
    stand_ins: str = ""

    @classmethod
    def read(cls, table: Table, source: str, rule: str, which: int = 0) -> Published:
        """All cells of a table of texts; ``which``: of several numbers in a cell."""
        figures = {
            (str(row), column): figure
            for row, *cells in table.rows
            for column, cell in zip(table.columns[1:], cells, strict=True)
            if (figure := Figure.read(str(cell), which)) is not None
        }
        return cls(source, rule, figures)

    def named(self, rows: Mapping[str, str], columns: Mapping[str, str]) -> Published:
        """The same figures for a table of ours with other names: the paper's row and column by
        ours.
        """
        figures = {
            (row, column): self.figures[there]
            for row, paper_row in rows.items()
            for column, paper_column in columns.items()
            if (there := (paper_row, paper_column)) in self.figures
        }
        return replace(self, figures=figures)


@dataclass(frozen=True)
class Entry:
    """A cell of ours: its figures, and the place of the cell that it is compared with."""

    place: Place
    sample: Sample
    base: Place | None = None
    against: Sample | None = None

    @property
    def gain(self) -> Sample | None:
        """The differences, paired by seed; None for a cell that is compared with nothing."""
        return None if self.base is None or self.against is None else self.sample.minus(self.against)

    @property
    def under_all_teachers(self) -> bool:
        """Whether the differences are of several teachers on one side, and of the same students for each
        of them on the other.
        """
        gain = self.gain
        sides = [side for side in (self.sample, self.against) if side is not None]
        return gain is not None and gain.by_teacher is not gain and any(side.by_teacher is side for side in sides)


OWN_HEADS = ("ours", "n", "difference", "95 % interval")
HEADS = (*OWN_HEADS, "published", "difference there", "verdict")


def comparison(
    title: str,
    entries: Iterable[Entry],
    published: Published | None,
    margin: float,
    digits: int = 2,
    ours: str = OURS,
    names: Place = ("row", "column"),
) -> Table | None:
    """A row for each cell: ours, the paired difference with its interval, the published figures,
    and a verdict. None without cells.

    Args:
        title: of our table.
        entries: our cells.
        published: the paper's; None: only our columns, and no table where no difference has an
            interval.
        margin: a difference that does not matter, in the measure's unit.
        digits: after the point.
        ours: our rule of reporting.
        names: what rows and columns are.
    """
    entries = list(entries)
    if published is None:
        return intervals(title, entries, digits, ours, names)
    if not entries:
        return None
    found = {entry.place: _judged(entry, published, margin) for entry in entries}
    rows = tuple(_row(entry, published, found[entry.place], digits) for entry in entries)
    plain: dict[str, Any] = {}
    for entry in entries:
        row, column = entry.place
        plain.setdefault(row, {})[column] = _plain(entry, published, found[entry.place])
    heads, note = (*names, *HEADS), _note(entries, published, margin, ours)
    return Table(heads, rows, f"{title}, compared with the published figures", note, plain)


def intervals(
    title: str, entries: Sequence[Entry], digits: int = 2, ours: str = OURS, names: Place = ("row", "column")
) -> Table | None:
    """The differences and their intervals, where nothing is published; arguments as of
    :func:`comparison`. None where no difference has an interval."""
    if all(entry.gain is None or entry.gain.interval is None for entry in entries):
        return None
    rows = tuple((*entry.place, *_own(entry, digits)) for entry in entries)
    plain: dict[str, Any] = {}
    for entry in entries:
        row, column = entry.place
        plain.setdefault(row, {})[column] = _own_plain(entry)
    return Table((*names, *OWN_HEADS), rows, f"{title}, differences with intervals", _over(entries, ours), plain)


def _gain_there(entry: Entry, published: Published) -> float | None:
    """The published difference between the same two cells."""
    here, base = published.figures.get(entry.place), None if entry.base is None else published.figures.get(entry.base)
    return None if here is None or base is None else here.value - base.value


def _judged(entry: Entry, published: Published, margin: float) -> Verdict | None:
    """Of the difference where there is one on both sides; otherwise of the figure itself, where the
    setting is the paper's.
    """
    here = published.figures.get(entry.place)
    if here is None:
        return None
    of_base = None if entry.base is None else published.figures.get(entry.base)
    margin = max(margin, here.spread or 0.0, (of_base.spread if of_base is not None else None) or 0.0)
    gain, there = entry.gain, _gain_there(entry, published)
    if gain is not None and there is not None:
        return verdict(gain, (Region.amount if published.same else Region.direction)(there, margin))
    return verdict(entry.sample, Region.amount(here.value, margin)) if published.same and entry.base is None else None


def _row(entry: Entry, published: Published, judged: Verdict | None, digits: int) -> tuple[Cell, ...]:
    here, there = published.figures.get(entry.place), _gain_there(entry, published)
    return (
        *entry.place,
        *_own(entry, digits),
        "" if here is None else here.text(digits),
        "" if there is None else number_text(there, digits, sign=True),
        "" if judged is None else judged.text(),
    )


def _own(entry: Entry, digits: int) -> tuple[Cell, ...]:
    """The cells under ``OWN_HEADS``."""
    gain = entry.gain
    interval = None if gain is None else gain.interval
    return (
        Quantity(entry.sample, digits=digits),
        _number(entry.sample),
        "" if gain is None else Quantity(gain, digits=digits, sign=True, of=entry.sample.n),
        "" if interval is None else " to ".join(number_text(end, digits, sign=True) for end in interval),
    )


def _number(sample: Sample) -> Cell:
    """How many figures; of how many teachers where there are several."""
    each = sample.by_teacher
    return sample.n if each is sample else f"{sample.n} of {plural(each.n, 'teacher')}"


def _plain(entry: Entry, published: Published, judged: Verdict | None) -> dict[str, Any]:
    here = published.figures.get(entry.place)
    return _own_plain(entry) | {
        "published": None if here is None else here.value,
        "published_spread": None if here is None else here.spread,
        "published_difference": _gain_there(entry, published),
        "verdict": None if judged is None else judged.word,
        "further_seeds": None if judged is None else judged.further,
    }


def _own_plain(entry: Entry) -> dict[str, Any]:
    gain = entry.gain
    return entry.sample.plain() | ({} if gain is None else {"difference": difference(gain), "to": entry.base})


def _over(entries: Sequence[Entry], ours: str) -> str:
    """Our rule of reporting, and over which seeds the intervals are."""
    judged = [entry.sample if entry.gain is None else entry.gain for entry in entries]
    several = [one for one in judged if one.by_teacher is not one]
    students = "the students' seeds, with one teacher seed"
    if not several:
        return f"{ours} Intervals: 95 %, over {students}."
    over = "teacher seeds, each the mean over its students' seeds"
    if any(one.by_teacher is one and one.interval is not None for one in judged):
        over += f"; those with one teacher seed in common over {students.partition(',')[0]}"
    notes = [f"{ours} Intervals: 95 %, over {over}."]
    if any(number_text(one.by_teacher.mean, 9) != number_text(one.mean, 9) for one in several):
        notes.append(
            "They are around the mean of the teachers' means, which differs where teachers have unequal numbers of students."
        )
    if any(entry.under_all_teachers for entry in entries):
        notes.append("Students that stand under every teacher, such as those without one, add none of their own noise.")
    return " ".join(notes)


def _note(entries: Sequence[Entry], published: Published, margin: float, ours: str) -> str:
    if published.same:
        rule = (
            f"agrees where the interval lies within m of the published difference (or figure, where nothing is compared), "
            f"disagrees where it lies outside; m is {margin:g}, or the ± that is printed if that is more."
        )
    else:
        rule = (
            f"agrees where the interval lies on the published side of 0, disagrees where it lies on the other (for published "
            f"differences below {margin:g}: within {margin:g} of 0, or outside). The setting is not the paper's: no amounts are "
            "compared."
        )
    lines = [
        _over(entries, ours),
        f"Published: {published.source}: {published.rule}",
        f"Verdict: {rule} docs/studies.md has the rule.",
        published.stand_ins,
    ]
    return "\n".join(line for line in lines if line)
