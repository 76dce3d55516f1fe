"""Ablation curves: accuracy by one setting, among runs that are otherwise the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from didact.runs.labels import recipe_label
from didact.runs.spread import Sample
from didact.spec import canonical, to_json
from didact.tables.page.parts import Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture
from didact.tables.page.trained import Trained, how, net_title

FEWEST = 3
"""Values of a setting that make a curve."""

APART = ("seed", "data_seed", "split_seed", "version", "turn")
"""Settings that are drawn or counted, not chosen."""

SPREAD = 20.0
"""A positive setting with values further apart than this factor has a logarithmic axis."""

Flat = dict[str, Any]


def section(trained: Sequence[Trained]) -> Section:
    """A picture for each setting that varies over at least three values."""
    known = [(one, _flat(one)) for one in trained if one.top1 is not None]
    values: dict[str, set[float]] = {}
    for _, flat in known:
        for path, value in flat.items():
            if _varies(path, value):
                values.setdefault(path, set()).add(value)
    paths = sorted(path for path, taken in values.items() if len(taken) >= FEWEST)
    panels: dict[str, list[Dots]] = {}
    for path in paths:
        for group in _groups(known, path):
            panels.setdefault(path, []).append(_panel(path, group))
    pictures = [
        Picture(key_of("ablation", path), f"By {path}", tuple(curves), _NOTE)
        for path, curves in panels.items()
        if not _copied(path, panels)
    ]
    text = "Runs that differ in one setting and in their seeds only. A setting that a teacher has, too, varies in both."
    return Section("ablation", "Ablation curves", tuple(pictures), text)


_NOTE = "Marks: the mean test accuracy over seeds; bars: the standard deviation."


def _flat(one: Trained) -> Flat:
    """The settings of a run by dotted path."""
    return dict(_leaves(to_json(one.run)))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _varies(path: str, value: Any) -> bool:
    """Whether a curve over this setting can have a meaning: a number that somebody chose."""
    return isinstance(value, int | float) and not isinstance(value, bool) and path.rpartition(".")[2] not in APART


def _same(path: str, flat: Flat) -> list[str]:
    """The setting and those of its teachers that have the same value."""
    return [path, *(key for key in flat if key.endswith(f"teacher.{path}") and flat[key] == flat[path])]


def _groups(known: Sequence[tuple[Trained, Flat]], path: str) -> Iterator[list[tuple[Trained, float]]]:
    """Runs that are the same without this setting and their own seed, if it has enough values."""
    groups: dict[str, list[tuple[Trained, float]]] = {}
    for one, flat in known:
        if not _varies(path, flat.get(path)):
            continue
        apart = {"seed", *_same(path, flat)}
        left = {key: value for key, value in flat.items() if key not in apart}
        groups.setdefault(canonical(left), []).append((one, float(flat[path])))
    return (group for group in groups.values() if len({value for _, value in group}) >= FEWEST)


def _panel(path: str, group: Sequence[tuple[Trained, float]]) -> Dots:
    first = group[0][0].run
    shortest = min((how(one.run) for one, _ in group), key=len)  # that of the default names no value of the setting
    dots: list[Dot] = []
    for value in sorted({value for _, value in group}):
        members = [one for one, its in group if its == value]
        sample = Sample(tuple(one.top1 for one in members))
        if sample.mean is not None:
            dots.append(Dot(f"{path} = {value:g}, n = {sample.n}", "test accuracy", value, sample.mean, sample.std))
    values = [value for _, value in group]
    log = min(values) > 0 and max(values) > SPREAD * min(values)
    title = f"{net_title(first)}, {shortest}, {first.data.label}"
    title += "" if path.startswith("recipe") else f", {recipe_label(first)}"
    return Dots(title, Axis(path, log=log), Axis("test accuracy (%)"), tuple(dots), frozenset({"test accuracy"}))


def _copied(path: str, panels: Mapping[str, Sequence[Dots]]) -> bool:
    """Whether a teacher's setting only repeats the student's."""
    own = path.rpartition("teacher.")[2]
    return own != path and own in panels and [one.dots for one in panels[path]] == [one.dots for one in panels[own]]
