"""Where a network can be cut: after the operations that everything from the images to the logits goes through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from didact.nets.dry import Shape
from didact.nets.splitting.layout import Layout, layout
from didact.nets.splitting.trace import ROOT, Whole, activates, stack

LINEAR = {functional.linear, functional.conv2d, torch.conv2d, torch.addmm, torch.matmul}
"""Functions that do what linear layers and convolutions do."""

SMALL, LARGE = 2, 3
"""Two batches, so that sizes that follow the batch can be told from others."""


@dataclass(frozen=True)
class Point:
    """An operation after which a single value goes on.

    Attributes:
        index: of its node.
        names: module calls that end there, the outermost first; the node's own name comes last.
        outer: how many module calls go on there; few at the ends of stages.
        layers: how many linear layers and convolutions come before.
        activated: whether an activation ends there.
    """

    index: int
    names: tuple[str, ...]
    layout: Layout
    own: Shape
    outer: int
    layers: int
    activated: bool


@dataclass
class Flow:
    """The nodes of a graph and what is known of their values.

    Attributes:
        shapes: of tensors that have one row for each image, without the batch.
        free: what does not depend on the images; any part can compute it for itself.
        batch: sizes of the batch; any part can read it from what it is given.
        fixed: other numbers that are the same for every batch, such as height and width. A part that needs one computed by an
            earlier part has it as it was for the images of the split.
        state: the entries of the state dict that a node reads, by identity.
    """

    nodes: list[fx.Node]
    index: dict[fx.Node, int]
    shapes: dict[fx.Node, Shape] = field(default_factory=dict)
    free: set[fx.Node] = field(default_factory=set)
    batch: set[fx.Node] = field(default_factory=set)
    fixed: dict[fx.Node, Any] = field(default_factory=dict)
    state: dict[fx.Node, set[int]] = field(default_factory=dict)

    def travels(self, node: fx.Node) -> bool:
        """Whether the node's value can only come from the part that computes it."""
        return node not in self.free and node not in self.batch and node not in self.fixed


class _Watch(fx.Interpreter):
    """Runs a graph and notes sizes and shapes."""

    def __init__(self, whole: Whole, graph: fx.Graph) -> None:
        super().__init__(whole, graph=graph)
        self.shapes: dict[fx.Node, Shape] = {}
        self.numbers: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        elif isinstance(value, int | float) or (isinstance(value, tuple) and all(isinstance(x, int | float) for x in value)):
            self.numbers[n] = value
        return value


def flow(whole: Whole, graph: fx.Graph, images: Tensor) -> Flow:
    """What the values of the graph are, from running it on ``images`` (of :data:`LARGE`) and on fewer of them."""
    runs = []
    for size in (SMALL, LARGE):
        watch = _Watch(whole, graph)
        watch.run(images[:size].clone())
        runs.append(watch)
    nodes = list(graph.nodes)
    known = Flow(nodes, {node: i for i, node in enumerate(nodes)})
    kept = {id(tensor) for tensor in whole.state_dict(keep_vars=True).values()}
    for node in nodes:
        small, large = (run.shapes.get(node, ()) for run in runs)
        numbers = [run.numbers.get(node) for run in runs]
        if (small[:1], large[:1]) == ((SMALL,), (LARGE,)):
            known.shapes[node] = small[1:]
        elif numbers == [SMALL, LARGE]:
            known.batch.add(node)
        elif numbers[0] is not None and numbers[0] == numbers[1]:
            known.fixed[node] = numbers[0]
        effect = node.op.startswith("call") and not node.users
        if (
            node.op not in ("placeholder", "output", "call_module")
            and not effect
            and known.free.issuperset(node.all_input_nodes)
        ):
            known.free.add(node)
        own = {id(tensor) for tensor in _tensors(whole, node)} & kept
        known.state[node] = own.union(*(known.state[source] for source in node.all_input_nodes if source in known.free))
    return known


def _tensors(whole: nn.Module, node: fx.Node) -> Iterable[Tensor]:
    if node.op == "call_module":
        part = whole.get_submodule(str(node.target))
        return [*part.parameters(), *part.buffers()]
    value = attribute(whole, str(node.target)) if node.op == "get_attr" and node.target != "training" else None
    return [value] if isinstance(value, Tensor) else []


def attribute(whole: nn.Module, path: str) -> Any:
    """What a module holds at a path with dots."""
    value: Any = whole
    for name in path.split("."):
        value = getattr(value, name)
    return value


def single(known: Flow) -> list[int]:
    """The indices of nodes after which nothing but their own value is needed, and no entry of the state dict is read again."""
    travelling = [node for node in known.nodes if known.travels(node)]
    ends = {node: max((known.index[user] for user in node.users), default=-1) for node in travelling}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for node in travelling:
        for tensor in known.state[node]:
            first.setdefault(tensor, known.index[node])
            last[tensor] = known.index[node]
    barred = {i for tensor, start in first.items() for i in range(start, last[tensor])}
    found, needed = [], -1
    for node in travelling:
        i = known.index[node]
        if needed <= i < ends[node] and i not in barred:
            found.append(i)
        needed = max(needed, ends[node])
    return found


def points(whole: Whole, known: Flow, image: Shape, stop: int) -> list[Point]:
    """Where the network can be cut, in order, up to node ``stop``: where the single value has a layout."""
    found: list[Point] = []
    before: tuple[int, int] | None = None
    layers = 0
    candidates = set(single(known))
    for i, node in enumerate(known.nodes[: stop + 1]):
        layers += _layers(whole, node, known)
        own = known.shapes.get(node)
        made = layout(own, image, before) if own and node.op != "placeholder" else None
        if (
            made is not None
            and len(own or ()) == 3
            and abs(log(made.grid[0] / made.grid[1] * image[2] / image[1])) < log(1.2)
        ):
            before = made.grid
        if made is None or own is None or i not in candidates:
            continue
        calls = stack(node)
        after = next((stack(n) for n in known.nodes[i + 1 :] if n.op.startswith("call")), ())
        outer = next((d for d, (a, b) in enumerate(zip(calls, after, strict=False)) if a != b), min(len(calls), len(after)))
        names = tuple(call.removeprefix(f"{ROOT}.") for call in calls[max(outer, 1) :])
        found.append(Point(i, (*names, node.name), made, own, outer, layers, activates(node, whole)))
    return found


def _layers(whole: Whole, node: fx.Node, known: Flow) -> int:
    """How many matrices of parameters the node multiplies with."""
    if node.op == "call_module":
        return sum(parameter.dim() > 1 for parameter in whole.get_submodule(str(node.target)).parameters())
    return int(node.op == "call_function" and node.target in LINEAR and bool(known.state[node]))


def before_pooling(found: list[Point], known: Flow) -> list[Point]:
    """The points before the positions of the last map, or its tokens, become one vector."""
    stop = len(found)
    while stop and found[stop - 1].layout.positions == 1:
        stop -= 1
    maps = [*found[:stop]]
    for point in found[stop:]:  # a map may have a single position before it is pooled, where images are small
        if point.layout.kind == "vector" or _pools(known.nodes[point.index]):
            break
        maps.append(point)
    return maps or found


def _pools(node: fx.Node) -> bool:
    name = f"{node.target} {getattr(node.target, '__name__', '')} {stack(node)[-1:]}".lower()
    return any(word in name for word in ("pool", "mean", "flatten", "view", "reshape", "getitem", "select"))


def choose(found: list[Point], blocks: int) -> tuple[Point | None, list[Point]]:
    """The end of the stem (None: the images enter the first block) and the ends of at most ``blocks`` blocks.

    Blocks end where resolutions end. Where a network has fewer resolutions than blocks, the longest are divided at equal depth;
    where it has more, the first ones belong to the stem.
    """
    groups = _resolutions(found)
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
    """Points that divide what lies between ``start`` (in layers) and ``end`` into pieces of equal depth, at outer boundaries."""
    chosen: list[Point] = []
    inner = [p for p in group if (stem is None or p.index > stem.index) and start < p.layers < end.layers]
    step = (end.layers - start) / pieces
    for depth in (start + step * piece for piece in range(1, pieces)):
        later = [p for p in inner if not chosen or p.layers > chosen[-1].layers]
        near = [p for p in later if abs(p.layers - depth) <= step / 2] or later
        if near:
            chosen.append(min(near, key=lambda p: (p.outer, abs(p.layers - depth), -p.index)))
    return chosen


def _resolutions(found: list[Point]) -> list[list[Point]]:
    """The points of each resolution in which a layer with parameters works."""
    groups: list[list[Point]] = []
    layers = 0
    for point in found:
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
    """The last point, or one before it at an outer boundary where less than half of the layers come after that."""
    end = group[-1]
    for point in reversed(group):
        if point.outer < end.outer and 2 * (end.layers - point.layers) < _length(group):
            end = point
    return end


def _length(group: list[Point]) -> int:
    return group[-1].layers - group[0].layers + 1


def _first(group: list[Point]) -> Point | None:
    """The first outer boundary in the first half of the group, where maps travel: after an activation, if the group has any."""
    early = [p for p in group if not p.layout.extra and p.layers and p.layers - group[0].layers < _length(group) / 2]
    early = [p for p in early if p.index < group[-1].index]
    if any(p.activated for p in group):
        early = [p for p in early if p.activated]
    return min(early, key=lambda p: (p.outer, p.index), default=None)


def named(found: list[Point], known: Flow, names: Iterable[str], net: nn.Module) -> tuple[Point | None, list[Point]]:
    """The end of the stem and the ends of blocks by name: each block ends with a module, or with an operation of :func:`cuts`.

    Raises:
        ValueError: no such point, or names that are not in order.
    """
    chosen: list[Point] = []
    for name in names:
        ends = [point for point in found if name in point.names]
        if not ends:
            near = ", ".join(dict.fromkeys(point.names[0] for point in found))
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
    before = [point for point in found if point.index < begin and not point.layout.extra]
    return (before[-1] if before else None), chosen


def device_of(net: nn.Module) -> torch.device:
    """Where the network's parameters are."""
    return next((p.device for p in net.parameters()), torch.device("cpu"))
