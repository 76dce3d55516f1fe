"""Curves over epochs: accuracies, the loss and each of its terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from didact.runs.run import Run
from didact.tables.page.parts import Part, Section, key_of
from didact.tables.page.picture import Curve, Curves, Picture
from didact.tables.page.trained import Family, Trained, how, number, teacher_name

CELLS = 60_000
"""Largest number of values in all curves of a report, about 1 MB; where there are more, all curves are
thinned out."""

Read = Callable[[dict[str, Any]], float | None]


@dataclass(frozen=True)
class _Named:
    """A run with its name and its group in a legend."""

    one: Trained
    name: str
    group: str
    dashed: bool


def section(families: Sequence[Family]) -> Section:
    """A picture for each family: students in full lines, teachers dashed."""
    pictures = [picture for at, family in enumerate(families) if (picture := _picture(family, at)) is not None]
    text = (
        "One line for each run, one colour for each way of training; dashed: teachers and their branches. Loss terms are "
        "means over the epoch's training batches, with their weights. A single figure is that of the last epoch."
    )
    return Section("curves", "Curves over training", tuple(pictures), text)


def _picture(family: Family, at: int) -> Picture | None:
    named = list(_named(family))
    panels = [
        _panel(title, label, named, {"": read} | (_branches(named) if title == "test accuracy" else {}))
        for title, label, read in _quantities(named)
    ]
    shown = tuple(panel for panel in panels if panel.at)
    return Picture(key_of("curves", str(at + 1)), family.title, shown) if shown else None


def _named(family: Family) -> Iterator[_Named]:
    """The runs of a family with different names."""
    used: set[str] = set()
    member = {one.digest for one in family.members}
    teachers = [one for one in family.teachers if one.digest not in member]
    for one, group, dashed in (
        *((one, how(one.run), False) for one in family.members),
        *((one, teacher_name(one.run, family.members[0].run), True) for one in teachers),
    ):
        name = f"{group}{_seed(one.run, dashed)}{one.progress}"
        name = name if name not in used else f"{name} {one.digest[:6]}"
        used.add(name)
        yield _Named(one, name, group, dashed)


def _seed(run: Run, teacher: bool) -> str:
    return "" if teacher and not run.seed else f", seed {run.seed}"


def _quantities(named: Sequence[_Named]) -> list[tuple[str, str, Read]]:
    """Title, label of the axis and reader of every quantity that a run of the family has."""
    rows = [row for each in named for row in each.one.rows if isinstance(row, dict)]
    accuracies = list(dict.fromkeys(key for row in rows for key in row if key in _ACCURACIES))
    terms = list(dict.fromkeys(key for row in rows if isinstance(row.get("terms"), dict) for key in row["terms"]))
    accuracies.sort(key=list(_ACCURACIES).index)
    return [
        *((_ACCURACIES[key], f"{_ACCURACIES[key]} (%)", _reader(key)) for key in accuracies),
        ("loss", "loss", _reader("loss")),
        *((f"loss term {key}", key, _reader("terms", key)) for key in terms),
    ]


_ACCURACIES = {
    "test_top1": "test accuracy",
    "validation_top1": "validation accuracy",
    "train_top1": "training accuracy",
}


def _branches(named: Sequence[_Named]) -> dict[str, Read]:
    """Readers of the test accuracy of further classifiers, such as an SFTN teacher's branches, by
    name."""
    rows = [row for each in named for row in each.one.rows if isinstance(row, dict)]
    keys = dict.fromkeys(key for row in rows for key in row if key.startswith("test_") and key.endswith("_top1"))
    return {key[5:-5]: _reader(key) for key in keys if key != "test_top1"}


def _reader(*path: str) -> Read:
    return lambda row: number(row, *path)


def panel(title: str, label: str, family: Family, value: Callable[[Trained, dict[str, Any]], float | None]) -> Curves:
    """One quantity of the runs of a family by epoch; ``value`` reads it from a run's row."""
    lines = [(each, each.name, _points(each.one, partial(value, each.one))) for each in _named(family)]
    return _lines(title, label, [line for line in lines if line[2]])


def _panel(title: str, label: str, named: Sequence[_Named], readers: dict[str, Read]) -> Curves:
    """A line for every run and reader that has values."""
    lines = [
        (each, f"{each.name}{f', {name}' if name else ''}", _points(each.one, read))
        for each in named
        for name, read in readers.items()
    ]
    return _lines(title, label, [line for line in lines if line[2]])


def _points(one: Trained, read: Read) -> dict[float, float]:
    """The values of one run by epoch."""
    return {
        epoch: value for row in one.rows if (epoch := number(row, "epoch")) is not None and (value := read(row)) is not None
    }


def _lines(title: str, label: str, lines: Sequence[tuple[_Named, str, dict[float, float]]]) -> Curves:
    """The panel of these lines: run, name and values by epoch."""
    places = tuple(sorted({place for _, _, points in lines for place in points}))
    curves = [
        Curve(name, each.group, tuple(points.get(place) for place in places), each.dashed) for each, name, points in lines
    ]
    return Curves(title, "epoch", label, places, tuple(curves))


def thinned(sections: Sequence[Section]) -> list[Section]:
    """The sections with at most about :data:`CELLS` values in all curves: every n-th place and the
    last one."""
    panels = [panel for one in sections for picture in one.pictures for panel in picture.panels if isinstance(panel, Curves)]
    cells = sum(len(panel.at) * len(panel.curves) for panel in panels)
    step = -(-cells // CELLS)
    if step <= 1:
        return list(sections)
    note = f"Of the {cells:,} values in all curves of this page, one in {step} is shown, and the last one of each curve."
    return [replace(one, parts=tuple(_every(part, step, note) for part in one.parts)) for one in sections]


def _every(part: Part, step: int, note: str) -> Part:
    """A picture of curves with every ``step``-th place; other parts as they are."""
    if not isinstance(part, Picture) or not any(isinstance(panel, Curves) for panel in part.panels):
        return part
    panels = tuple(_each(panel, step) if isinstance(panel, Curves) else panel for panel in part.panels)
    return replace(part, panels=panels, note="\n".join(line for line in (part.note, note) if line))


def _each(panel: Curves, step: int) -> Curves:
    positions = [at for at in range(len(panel.at)) if at % step == 0 or at == len(panel.at) - 1]
    curves = tuple(replace(curve, values=tuple(curve.values[at] for at in positions)) for curve in panel.curves)
    return replace(panel, at=tuple(panel.at[at] for at in positions), curves=curves)
