"""The whole way from a classifier to a row of blocks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from didact.nets.blocks import BlockNet
from didact.nets.dry import Shape
from didact.nets.splitting import classifier, refusals
from didact.nets.splitting.check import check, protect
from didact.nets.splitting.choice import choose, named
from didact.nets.splitting.flow import Flow, device_of, flow
from didact.nets.splitting.names import own_names
from didact.nets.splitting.plan import Plan, planned
from didact.nets.splitting.points import Point, before_pooling, points
from didact.nets.splitting.sizes import LARGE, SMALL
from didact.nets.splitting.trace import traced
from didact.nets.splitting.whole import Whole, answer, mode
from didact.seeds import preserved, stream
from didact.spec.foreign import reason

_FEW = 3
"""Blocks; with fewer, methods that read several features have little to read."""


@dataclass(frozen=True)
class Place:
    """A place where a network can be cut.

    Attributes:
        name: the module that ends there, or the operation; what ``cuts`` of :func:`split` takes.
        feature: (c, h, w) of the map that methods read.
        kind: of the network's own value: "map", "channels last", "tokens" or "vector".
        extra: class and register tokens, which travel on with the tokens of the map.
        activated: whether an activation ends there; then methods can read the value before it.
        block: the number of the block that ends there when the network is split; 0: the stem; None:
            no part.
    """

    name: str
    feature: Shape
    kind: str
    extra: int
    activated: bool
    block: int | None


def cuts(
    model: nn.Module, image: Shape = (3, 224, 224), blocks: int = 4, cuts: Sequence[str] | None = None
) -> tuple[Place, ...]:
    """Where ``model`` can be cut, from the images to the logits, and where :func:`split` cuts it.

    Raises:
        ValueError: as :func:`split`.
    """
    parts = _best(model, image, blocks, cuts)
    numbers = {point.index: number for number, point in enumerate([parts.stem, *parts.ends]) if point is not None}
    places = []
    for point in parts.places:
        form = point.layout
        facts = (form.shape(point.shape), form.kind, form.extra, point.activated, numbers.get(point.index))
        places.append(Place(point.names[0], *facts))
    return tuple(places)


@dataclass(frozen=True)
class _Parts:
    """A followed network and where it is cut.

    Attributes:
        places: where it can be cut, in order.
        stem: the end of the stem; None where the images enter the first block.
        ends: of the blocks, in order.
    """

    whole: Whole
    known: Flow
    places: list[Point]
    stem: Point | None
    ends: list[Point]


def _best(model: nn.Module, image: Shape, blocks: int, cuts: Sequence[str] | None) -> _Parts:
    """The parts of ``model``.

    Modules that branch on sizes stay whole. Where too few blocks are left then, or none that ends
    with a module of ``cuts``, they are followed as well, for images of this size only, if that
    gives more.
    """
    try:
        parts = _parts(model, image, blocks, cuts, sized=False)
    except ValueError:
        if cuts is None:
            raise
        return _parts(model, image, blocks, cuts, sized=True)
    if cuts is None and parts.whole.leaves and len(parts.ends) < min(blocks, _FEW):
        with suppress(ValueError):
            sized_parts = _parts(model, image, blocks, cuts, sized=True)
            return sized_parts if len(sized_parts.ends) > len(parts.ends) else parts
    return parts


def _parts(model: nn.Module, image: Shape, blocks: int, cuts: Sequence[str] | None, *, sized: bool) -> _Parts:
    whole, known = _followed(model, image, sized=sized)
    places = _places(whole, known, image)
    if not places:
        raise ValueError(
            f"{type(model).__name__} has no place where a single map or row of tokens goes on, so it cannot be split"
        )
    chosen = choose(before_pooling(places, known), blocks) if cuts is None else named(places, known, cuts, model)
    return _Parts(whole, known, places, *chosen)


def split(
    model: nn.Module,
    image: Shape = (3, 224, 224),
    blocks: int = 4,
    cuts: Sequence[str] | None = None,
    *,
    checked: bool = True,
) -> BlockNet:
    """``model`` as a BlockNet of at most ``blocks`` blocks that shares its parameters and buffers.

    The parts follow what the forward did for images of this shape. Where they need numbers that
    follow from it and that another part computes, such as the height and width of a map, the
    network refuses images of another shape.

    Blocks end where the resolution is about to fall; where there are fewer resolutions than blocks,
    as in a row of tokens, long ones are divided at equal depth. A block that ends in an activation
    shows the value before it. The pooled vector is what the last linear layer reads.

    Args:
        model: a module with a forward that takes a batch of images and returns logits (b, k).
        image: (c, h, w) of the images that it will be shown.
        blocks: how many blocks at most.
        cuts: the ends of the blocks by name instead, as :func:`cuts` lists them: ``["layer1",
            "layer2"]``.
        checked: whether copies of both are run, forwards and backwards, and compared bit by bit. A
            network on the meta device has no bits to compare.

    Raises:
        ValueError: the forward takes or returns something else, cannot be followed, or cannot be
            cut; the message names the operation and what to write instead.
    """
    return divided(model, image, blocks, cuts, checked=checked)[0]


def divided(
    model: nn.Module, image: Shape, blocks: int = 4, cuts: Sequence[str] | None = None, *, checked: bool = True
) -> tuple[BlockNet, Plan]:
    """What :func:`split` gives, and the plan by which another network of the same structure can be
    built in blocks.

    Raises:
        ValueError: as :func:`split`.
    """
    if blocks < 1:
        raise ValueError(f"a network has one block at least, not {blocks}")
    parts = _best(model, image, blocks, cuts)
    plan = planned(parts.whole, parts.known, parts.stem, parts.ends, image)
    net = plan.build(model)
    images = _images(model, image)[:SMALL]
    if not images.is_meta:
        protect(net, images)
        if checked:
            check(net, model, own_names(net), images)
    return net, plan.learned(net)


def with_classes(model: nn.Module, num_classes: int, image: Shape = (3, 224, 224)) -> nn.Module:
    """``model`` with new last layers for ``num_classes``, drawn as torch draws them. A model that
    has as many classes already stays as it is.

    Raises:
        ValueError: the last layers are no :class:`~torch.nn.Linear` or :class:`~torch.nn.Conv2d`;
            else as :func:`split`.
    """
    whole, known = _followed(model, image)
    classifier.resize(whole, known, num_classes)
    return model


def _followed(model: nn.Module, image: Shape, *, sized: bool = False) -> tuple[Whole, Flow]:
    """The traced network, and what is known of its values.

    Args:
        sized: whether modules that branch on sizes are followed for images of this size.

    Raises:
        ValueError: as :func:`split`.
    """
    kind = type(model).__name__
    taken = inspect.signature(model.forward).parameters.values()
    needed = [p.name for p in taken if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(needed) > 1:
        raise ValueError(
            f"the forward of {kind} needs {', '.join(needed)}; a classifier takes a batch of images and nothing else"
        )
    if fault := refusals.of_parameters(model):
        raise ValueError(f"{kind}: {fault}")
    images = _images(model, image)
    device = device_of(model)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with preserved("cpu" if device.type == "meta" else device), torch.no_grad(), mode(model, training=False):
        few, many = (_logits(model, images[:size]) for size in (SMALL, LARGE))
        if fault := refusals.of_logits(model, few, many, images):
            raise ValueError(f"{kind} {fault}")
    whole, graph = traced(model, images, sized=sized)
    for name, buffer in model.named_buffers():  # what a forward does to one in place happens here, too
        buffer.copy_(buffers[name])
    with preserved("cpu" if device.type == "meta" else device), torch.no_grad(), mode(whole, training=False):
        return whole, flow(whole, graph, images)


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    """What ``model`` returns for ``images``.

    Raises:
        ValueError: it fails, or returns no row for each image.
    """
    kind, count = type(model).__name__, len(images)
    try:
        logits = answer(model(images.clone()))
    except Exception as error:  # of the network's own code, so it may be any
        raise ValueError(f"{kind} cannot take {count} images of shape {tuple(images.shape[1:])}: {reason(error)}") from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != count:
        answered = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"{kind} returns {answered} for {count} images; a classifier returns logits of shape ({count}, classes): "
            "wrap it in a module whose forward returns them"
        )
    return logits


def _images(model: nn.Module, image: Shape) -> Tensor:
    noise = torch.randn(LARGE, *image, generator=stream(0, "image"), device="cpu")
    return noise.to(device_of(model))


def _places(whole: Whole, known: Flow, image: Shape) -> list[Point]:
    """Where the network can be cut before its last layers."""
    layers = classifier.last_layers(whole, known)
    return points(whole, known, image, min(known.index[layer] for layer in layers) - 1)
