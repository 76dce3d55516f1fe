"""Networks that are not didact's, by name: constructors of the user's own, and networks of other
libraries, in blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from inspect import isfunction
from typing import cast

import torch
from torch import nn

from didact.nets import libraries
from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.dry import Shape
from didact.nets.splitting import Place, cuts, refusals, with_classes
from didact.nets.splitting.likeness import likeness
from didact.nets.splitting.network import divided
from didact.nets.splitting.plan import Plan
from didact.seeds import preserved
from didact.spec import SpecError, nearest
from didact.spec.foreign import imported, running

SIZES = (32, 64, 224)
"""Heights of images that a network is tried with where nothing says what it will be shown."""

_PLANS: OrderedDict[Hashable, Plan] = OrderedDict()
"""How networks were split in this process, by what they are; each was compared with the whole
network when it was split.
"""
_MOST_PLANS = 256


def of_library(name: str, num_classes: int, in_channels: int, size: int | None) -> BlockNet:
    """The network ``name`` of another library, in blocks; with new last layers where the library's
    have another width.

    Raises:
        SpecError: the library does not have it, or it cannot be split for these images.
    """
    image = _image(name, in_channels, size)
    key = (name, num_classes, image)
    if torch.empty(0).is_meta and key not in _PLANS:  # a network without numbers cannot be compared with its parts
        with torch.device("cpu"), preserved():
            of_library(name, num_classes, in_channels, size)
    with running(libraries.title(name), f"for images of {image[1]}x{image[2]}"):
        model = libraries.build(name, num_classes, in_channels, size)
        net, classes = _divided(name, model, image, key)
        if classes != num_classes:
            model = with_classes(model, num_classes, image)
            net, _ = _divided(name, model, image, (*key, "with_classes"))
    return net


def own(name: str, num_classes: int, in_channels: int, size: int | None) -> BlockNet:
    """The network that the constructor ``module:function`` makes; split where it is no BlockNet.

    Raises:
        SpecError: there is no such constructor, or it does not return a network that can be split.
    """
    # real tensors even where only shapes are asked: a constructor may read numbers from tensors, or
    # load weights, and what is split is compared with its parts
    with torch.device("cpu") if torch.empty(0).is_meta else nullcontext():
        net = _made(name, num_classes, in_channels)
        if not isinstance(net, BlockNet):
            return _split(name, net, in_channels, (size,) if size else SIZES)
    if net.stem is None:
        raise SpecError(f"{name!r}: a whole network has a stem; nn.Identity() where there is nothing to do")
    for part in [*net, net.head]:
        if not isinstance(part, Block | Head):
            raise SpecError(f"{name!r}: a BlockNet is made of didact.nets.Block and a Head, found {type(part).__name__}")
    return net


def places(name: str, num_classes: int, in_channels: int = 3, size: int | None = None) -> tuple[Place, ...]:
    """Where the network ``name``, of another library or of the user's own, can be cut; none of one
    that is a BlockNet.

    Raises:
        SpecError: there is no such network, or it cannot be followed.
    """
    if libraries.named(name):
        image = _image(name, in_channels, size)
        model = libraries.build(name, num_classes, in_channels, size)
    else:
        image = (in_channels, size or SIZES[0], size or SIZES[0])
        model = _made(name, num_classes, in_channels)
    if isinstance(model, BlockNet):
        return ()
    with running(libraries.title(name), f"for images of {image[1]}x{image[2]}"):
        try:
            return cuts(model, image, **libraries.division(name))
        except ValueError as error:
            high = "" if size else f"; no size is given, so images are {image[1]}x{image[2]}: write --size N, or --data NAME"
            raise SpecError(f"{libraries.title(name)!r}: {error}{high}") from error


def _image(name: str, in_channels: int, size: int | None) -> Shape:
    height = size or libraries.default_size(name)
    return in_channels, height, height


def _made(name: str, num_classes: int, in_channels: int) -> nn.Module:
    """What the constructor ``module:function`` returns."""
    module, function = imported(name, "network")
    make = getattr(module, function, None)
    if not callable(make):
        known = [key for key, value in vars(module).items() if isfunction(value) and not key.startswith("_")]
        raise SpecError(
            f"{module.__name__!r} holds no function {function!r} for the network {name!r}{nearest(function, known)}"
        )
    if isinstance(make, type) and not issubclass(make, nn.Module):
        raise SpecError(
            f"{name!r} is the class {make.__name__}, no network; a network is a function of (num_classes, in_channels) "
            "that returns a didact.nets.BlockNet or another torch.nn.Module"
        )
    with running(name, "when it is called with (num_classes, in_channels)"):
        net = cast("Callable[..., object]", make)(num_classes, in_channels)
    if not isinstance(net, nn.Module):
        raise SpecError(
            f"{name!r} should return a didact.nets.BlockNet or another torch.nn.Module, found {type(net).__name__}"
        )
    fault = refusals.of_parameters(net)
    if not fault and any(value.is_meta for value in net.parameters()):
        fault = "its parameters are on the meta device, so they hold no values; make them on the CPU"
    if fault:
        raise SpecError(f"{name!r}: {fault}")
    return net


def _split(name: str, model: nn.Module, in_channels: int, sizes: tuple[int, ...]) -> BlockNet:
    """``model``, which is the user's own, in blocks, for images of the first of ``sizes`` that it
    takes.
    """
    refused: SpecError | None = None
    same = likeness(model)  # a constructor may make another network the next time
    for size in sizes:
        image = (in_channels, size, size)
        try:
            return _divided(name, model, image, None if same is None else (name, same, image))[0]
        except SpecError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _divided(name: str, model: nn.Module, image: Shape, key: Hashable | None) -> tuple[BlockNet, int]:
    """``model`` in blocks, and its number of logits; by the plan that is remembered for ``key``, if
    any.

    Raises:
        SpecError: it cannot be split.
    """
    plan = None if key is None else _PLANS.get(key)
    if plan is not None:
        return plan.build(model), plan.classes
    try:
        net, plan = divided(model, image, **libraries.division(name))
    except ValueError as error:
        raise SpecError(f"{libraries.title(name)!r}: {error}") from error
    if key is not None and not any(p.is_meta for p in model.parameters()):  # else it was not compared
        _PLANS[key] = plan
        if len(_PLANS) > _MOST_PLANS:
            _PLANS.popitem(last=False)
    return net, plan.classes
