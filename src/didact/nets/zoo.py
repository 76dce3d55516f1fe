"""Networks by name: the papers' students and teachers, in any of the papers' spellings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from inspect import isfunction
from typing import cast

import torch
from torch import nn

from didact.nets import architecture, libraries, mobilenet, resnet, shufflenet, vgg, wide_resnet
from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.splitting import split, with_classes
from didact.spec import SpecError, nearest, shown
from didact.spec.foreign import imported, running

_FAMILIES: dict[str, dict[str, Callable[[int, int], BlockNet]]] = {
    "resnet": resnet.NETS,
    "wide_resnet": wide_resnet.NETS,
    "vgg": vgg.NETS,
    "shufflenet": shufflenet.NETS,
    "mobilenet": mobilenet.NETS,
}

_SLOW = ("shufflenet", "mobilenet")
"""Families that the papers train at a learning rate of 0.01 instead of 0.05."""

_WORDS = {"wideresnet": "wrn", "shufflenet": "shuffle", "mobilenet": "mobile"}
"""Long and short forms of a family, compared as one."""

SIZES = (32, 64, 224)
"""Heights of images that a network is tried with where nothing says what it will be shown."""

_CHECKED: set[tuple[str, int]] = set()
"""Networks that were split in this process and computed the same as before."""

_ALIASES = {
    "shuffle_v2_1_5": "shufflenet_v2_x1_5",
    "mobile_v2_1_0": "mobilenet_v2_x2",
    "mobile_v2_0_5": "mobilenet_v2",
    "mobile_v2_x0_5": "mobilenet_v2",
}
"""SimKD's names, which give the width as a version."""


@dataclass(frozen=True)
class Entry:
    """What is known of a network without building it.

    Attributes:
        name: its canonical name.
        family: the file it comes from; "" for a constructor of the user's own; "library" for a network of another library;
            "architecture" where the name spells it out.
        paper_rate: the learning rate that the papers start from at batch size 64.
    """

    name: str
    family: str
    paper_rate: float


_ENTRIES = {
    name: Entry(name, family, paper_rate=0.01 if family in _SLOW else 0.05)
    for family, nets in _FAMILIES.items()
    for name in nets
}


def names() -> tuple[str, ...]:
    """The canonical names, family by family."""
    return tuple(_ENTRIES)


def resolve(name: str) -> str:
    """The canonical name for any spelling: case, ``- _ . space`` and the multiplication sign do not matter.

    ``module:function`` is its own canonical name. A name such as ``basic-16-1x16-1x32-1x64`` spells out its network
    (:mod:`didact.nets.architecture`), and ``timm:resnet34`` is a network of another library (:mod:`didact.nets.libraries`).

    Raises:
        SpecError: no such network; the nearest names are listed.
    """
    if libraries.named(name):
        return libraries.resolve(name)
    if ":" in name:
        return name
    if architecture.is_architecture(name):
        return architecture.parse(name).name
    if _key(name) not in _KEYS:
        raise SpecError(f"unknown network {shown(name)}{nearest(name, names())}")
    return _KEYS[_key(name)]


def entry(name: str) -> Entry:
    """What is known of the network ``name``, in any spelling; those of others get the papers' usual learning rate.

    Raises:
        SpecError: no such network.
    """
    name = resolve(name)
    if architecture.is_architecture(name):
        return Entry(name, "architecture", paper_rate=0.05 if architecture.parse(name).kind == "basic" else 0.01)
    if ":" in name:
        return Entry(name, family="library" if libraries.named(name) else "", paper_rate=0.05)
    return _ENTRIES[name]


def create(name: str, num_classes: int, in_channels: int = 3, size: int | None = None) -> BlockNet:
    """A freshly initialised network.

    Args:
        name: a network in any spelling (see :func:`names`), a name that spells out its network
            (``basic-16-1x16-1x32-1x64``), a network of another library (``timm:resnet34``), which is split, or
            ``module:function``, a constructor of one's own that takes (num_classes, in_channels) and returns a
            :class:`BlockNet`, or any other classifier, which is split.
        num_classes: number of logits.
        in_channels: channels of the images.
        size: height of the images; only a network that is split needs it. None: what its library has it for, or the first of
            :data:`SIZES` that it takes.

    Raises:
        SpecError: no such network, or a constructor that cannot be imported or does not return a network that can be split.
        ValueError: a number below 1.
    """
    if num_classes < 1 or in_channels < 1:
        raise ValueError(f"a network needs at least one class and one channel, not {num_classes} and {in_channels}")
    known = entry(name)
    if not known.family:
        return _own(name, num_classes, in_channels, size)
    if known.family == "library":
        return _of_library(known.name, num_classes, in_channels, size)
    if known.family == "architecture":
        return architecture.build(architecture.parse(name), num_classes, in_channels)
    return _FAMILIES[known.family][known.name](num_classes, in_channels)


def _of_library(name: str, num_classes: int, in_channels: int, size: int | None) -> BlockNet:
    """The network ``name`` of another library, in blocks; with new last layers where the library's have another width."""
    height = size or libraries.default_size(name)
    model = libraries.build(name, num_classes, in_channels, size)
    with running(libraries.title(name), f"for images of {height}x{height}"):
        net = _split(name, model, in_channels, (height,))
        if net.shapes((in_channels, height, height)).classes != num_classes:
            image = (in_channels, height, height)
            net = _split(name, with_classes(model, num_classes, image), in_channels, (height,))
    return net


def _own(name: str, num_classes: int, in_channels: int, size: int | None) -> BlockNet:
    """The network that the constructor ``module:function`` makes; split where it is no BlockNet."""
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
    # real tensors even where only shapes are asked: a constructor may read numbers from tensors, or load weights
    real = torch.device("cpu") if torch.empty(0).is_meta else nullcontext()
    with running(name, "when it is called with (num_classes, in_channels)"), real:
        net = cast("Callable[..., object]", make)(num_classes, in_channels)
    if not isinstance(net, nn.Module):
        raise SpecError(
            f"{name!r} should return a didact.nets.BlockNet or another torch.nn.Module, found {type(net).__name__}"
        )
    if not isinstance(net, BlockNet):
        return _split(name, net, in_channels, (size,) if size else SIZES)
    if net.stem is None:
        raise SpecError(f"{name!r}: a whole network has a stem; nn.Identity() where there is nothing to do")
    for part in [*net, net.head]:
        if not isinstance(part, Block | Head):
            raise SpecError(f"{name!r}: a BlockNet is made of didact.nets.Block and a Head, found {type(part).__name__}")
    return net


def _split(name: str, model: nn.Module, in_channels: int, sizes: tuple[int, ...]) -> BlockNet:
    """``model`` in blocks, for images of the first of ``sizes`` that it takes; compared with itself once in a process."""
    refused: ValueError | None = None
    for size in sizes:
        try:
            net = split(model, (in_channels, size, size), checked=(name, size) not in _CHECKED)
        except ValueError as error:
            refused = refused or error
            continue
        _CHECKED.add((name, size))
        return net
    raise SpecError(f"{libraries.title(name)!r}: {refused}") from refused


def _key(name: str) -> str:
    """What is left of a name when everything that spellings differ in is taken away."""
    key = name.lower().replace("\N{MULTIPLICATION SIGN}", "x")
    for mark in "-_. ":
        key = key.replace(mark, "")
    for long, short in _WORDS.items():
        key = key.replace(long, short)
    return key


_KEYS = {_key(name): name for name in _ENTRIES} | {_key(alias): name for alias, name in _ALIASES.items()}
