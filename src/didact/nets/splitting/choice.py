"""Which of the places become the ends of blocks: the ends of resolutions, equal depths, or those
that a person names.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from didact.nets.splitting.flow import Flow
from didact.nets.splitting.points import Point
from didact.nets.splitting.whole import ROOT, stack


def choose(places: list[Point], blocks: int) -> tuple[Point | None, list[Point]]:
    """The end of the stem (None: the images enter the first block) and the ends of at most
    ``blocks`` blocks.

    Blocks end where resolutions end. Where a network has fewer resolutions than blocks, the longest
    are divided at equal depth; where it has more, the first ones belong to the stem.
    """
    groups = _resolutions(places)
    ends = [_end(group) for group in groups]
    if len(groups) > blocks:
        return ends[-blocks - 1], ends[-blocks:]
    stem = _first(groups[0])
    chosen: list[Point] = []
    pieces = [1] * len(groups)
    for _ in range(blocks - len(groups)):
        pieces[max(range(len(groups)), key=lambda i: (_length(groups[i]) / pieces[i], i))] += 1
    start = 0 if stem is None else stem.layers
    for group, end, parts in zip(groups, ends, pieces, strict=True):
        chosen += _inside(group, stem, start, end, parts)
        if stem is None or end.index > stem.index:
            chosen.append(end)
        start = end.layers
    return stem, chosen


def _inside(group: list[Point], stem: Point | None, start: int, end: Point, pieces: int) -> list[Point]:
    """Points that divide what lies between ``start`` (in layers) and ``end`` into pieces of equal
    depth, at outer boundaries.
    """
    chosen: list[Point] = []
    inner = [p for p in group if (stem is None or p.index > stem.index) and start < p.layers < end.layers]
    step = (end.layers - start) / pieces
    for depth in (start + step * piece for piece in range(1, pieces)):
        later = [p for p in inner if not chosen or p.layers > chosen[-1].layers]
        near = [p for p in later if abs(p.layers - depth) <= step / 2] or later
        if near:
            chosen.append(min(near, key=lambda p: (p.outer, abs(p.layers - depth), -p.index)))
    return chosen


def _resolutions(places: list[Point]) -> list[list[Point]]:
    """The points of each resolution in which a layer with parameters works."""
    groups: list[list[Point]] = []
    layers = 0
    for point in places:
        if groups and groups[-1][-1].layout.positions == point.layout.positions:
            groups[-1].append(point)
            continue
        if groups and groups[-1][-1].layers == layers:
            groups.pop()
        layers = groups[-1][-1].layers if groups else 0
        groups.append([point])
    if len(groups) > 1 and groups[-1][-1].layers == groups[-2][-1].layers:
        groups.pop()
    return groups


def _end(group: list[Point]) -> Point:
    """The last point, or one before it at an outer boundary where less than half of the layers come
    after that.
    """
    end = group[-1]
    for point in reversed(group):
        if point.outer < end.outer and 2 * (end.layers - point.layers) < _length(group):
            end = point
    return end


def _length(group: list[Point]) -> int:
    return group[-1].layers - group[0].layers + 1


def _first(group: list[Point]) -> Point | None:
    """The first outer boundary in the first half of the group, where maps travel: after an
    activation, if the group has any.
    """
    early = [p for p in group if not p.layout.extra and p.layers and p.layers - group[0].layers < _length(group) / 2]
    early = [p for p in early if p.index < group[-1].index]
    if any(p.activated for p in group):
        early = [p for p in early if p.activated]
    return min(early, key=lambda p: (p.outer, p.index), default=None)


def named(places: list[Point], known: Flow, names: Iterable[str], net: nn.Module) -> tuple[Point | None, list[Point]]:
    """The end of the stem and the ends of blocks by name: each block ends with a module, or with an
    operation of :func:`didact.nets.cuts`.

    Raises:
        ValueError: no such point, or names that are not in order.
    """
    chosen: list[Point] = []
    for name in names:
        ends = [point for point in places if name in point.names]
        if not ends:
            near = ", ".join(dict.fromkeys(point.names[0] for point in places))
            inside = any(f"{ROOT}.{name}" in stack(node) for node in known.nodes)
            there = "more than one value goes on after it, or one that is no map" if inside else "it is not called"
            raise ValueError(f"cuts: {type(net).__name__} cannot be cut after {name!r}: {there}; it can be cut after {near}")
        if chosen and ends[-1].index <= chosen[-1].index:
            raise ValueError(
                f"cuts: {name!r} does not come after the cut before it; name them from the images to the logits"
            )
        chosen.append(ends[-1])
    if not chosen:
        raise ValueError("cuts: name the end of one block at least")
    calls = [i for i, node in enumerate(known.nodes) if f"{ROOT}.{chosen[0].names[0]}" in stack(node)]
    begin = min(calls, default=chosen[0].index)
    before = [point for point in places if point.index < begin and not point.layout.extra]
    return (before[-1] if before else None), chosen
