"""Where a network can be cut: after the operations that everything from the images to the logits
goes through.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx
from torch.nn import functional

from didact.nets.dry import Shape
from didact.nets.splitting.activations import activates
from didact.nets.splitting.flow import Flow, single
from didact.nets.splitting.layout import Layout, alike, layout
from didact.nets.splitting.whole import ROOT, Whole, stack

LINEAR = {functional.linear, functional.conv2d, torch.conv2d, torch.addmm, torch.matmul}
"""Functions that do what linear layers and convolutions do."""


@dataclass(frozen=True)
class Point:
    """An operation after which a single value goes on.

    Attributes:
        index: of its node.
        names: module calls that end there, the outermost first; the node's own name comes last.
        layout: how a map is read from the value.
        shape: of the value, without the batch.
        outer: how many module calls go on there; few at the ends of stages.
        layers: how many linear layers and convolutions come up to there.
        activated: whether an activation ends there.
    """

    index: int
    names: tuple[str, ...]
    layout: Layout
    shape: Shape
    outer: int
    layers: int
    activated: bool


def points(whole: Whole, known: Flow, image: Shape, stop: int) -> list[Point]:
    """Where the network can be cut, in order: where the only value that goes on has a layout.

    Rows of windows, (b, windows, positions, c), have as many dimensions as a map but another ratio
    of height to width; they are left out where maps of the images' ratio come again.

    Args:
        image: (c, h, w) of the images.
        stop: index of the last node that is looked at.
    """
    places: list[Point] = []
    before: tuple[int, int] | None = None
    layers = 0
    candidates = set(single(known))
    for i, node in enumerate(known.nodes[: stop + 1]):
        layers += _layers(whole, node, known)
        shape = known.shapes.get(node)
        form = layout(shape, image, before) if shape and node.op != "placeholder" else None
        if form is not None and len(shape or ()) == 3 and alike(form.grid, image):
            before = form.grid  # tokens that come later lie on it
        if form is None or shape is None or i not in candidates:
            continue
        calls = stack(node)
        after = next((stack(n) for n in known.nodes[i + 1 :] if n.op.startswith("call")), ())
        outer = next((d for d, (a, b) in enumerate(zip(calls, after, strict=False)) if a != b), min(len(calls), len(after)))
        names = tuple(call.removeprefix(f"{ROOT}.") for call in calls[max(outer, 1) :])
        places.append(Point(i, (*names, node.name), form, shape, outer, layers, activates(node, whole)))
    maps = [point.index for point in places if len(point.shape) == 3 and point.layout.positions > 1 and _whole(point, image)]
    return [point for point in places if _whole(point, image) or point.index > max(maps, default=-1)]


def _whole(point: Point, image: Shape) -> bool:
    """Whether a value of four dimensions, with the batch, can be a map of the whole image."""
    return len(point.shape) != 3 or alike(point.layout.grid, image)


def _layers(whole: Whole, node: fx.Node, known: Flow) -> int:
    """How many matrices of parameters the node multiplies by."""
    if node.op == "call_module":
        return sum(parameter.dim() > 1 for parameter in whole.get_submodule(str(node.target)).parameters())
    return int(node.op == "call_function" and node.target in LINEAR and bool(known.state[node]))


def before_pooling(places: list[Point], known: Flow) -> list[Point]:
    """The points before the positions of the last map, or its tokens, become one vector."""
    stop = len(places)
    while stop and places[stop - 1].layout.positions == 1:
        stop -= 1
    maps = [*places[:stop]]
    for point in places[stop:]:  # a map may have a single position before it is pooled, where images are small
        if point.layout.kind == "vector" or _pools(known.nodes[point.index]):
            break
        maps.append(point)
    return maps or places


def _pools(node: fx.Node) -> bool:
    name = f"{node.target} {getattr(node.target, '__name__', '')} {stack(node)[-1:]}".lower()
    return any(word in name for word in ("pool", "mean", "flatten", "view", "reshape", "getitem", "select"))
