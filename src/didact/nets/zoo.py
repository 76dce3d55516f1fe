"""Networks by name: the papers' students and teachers, in any of the papers' spellings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from didact.nets import architecture, libraries, mobilenet, others, resnet, shufflenet, vgg, wide_resnet
from didact.nets.blocks import BlockNet
from didact.spec import SpecError, check_kind, nearest, shown

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
        family: the file it comes from; "" for a constructor of the user's own; "library" for a
            network of another library; "architecture" where the name spells it out.
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
    """The canonical name for any spelling: case, ``- _ . space`` and the multiplication sign do not
    matter.

    ``module:function`` is its own canonical name. A name such as ``basic-16-1x16-1x32-1x64`` spells
    out its network (:mod:`didact.nets.architecture`), and ``timm:resnet34`` is a network of another
    library (:mod:`didact.nets.libraries`).

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
    """What is known of the network ``name``, in any spelling; those of others get the papers' usual
    learning rate.

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
            (``basic-16-1x16-1x32-1x64``), a network of another library (``timm:resnet34``), which
            is split, or ``module:function``, a constructor of one's own that takes (num_classes,
            in_channels) and returns a :class:`BlockNet`, or any other classifier, which is split.
        num_classes: number of logits.
        in_channels: channels of the images.
        size: height of the images; only a network that is split needs it. None: what its library
            has it for, or the first of :data:`~didact.nets.others.SIZES` that it takes.

    Raises:
        SpecError: no such network, or a constructor that cannot be imported or does not return a
            network that can be split; no name, or a number that is not whole.
        ValueError: a number below 1.
    """
    check_kind("net", name, str, "the name of a network, such as resnet8")
    for argument, number in (("num_classes", num_classes), ("in_channels", in_channels)):
        check_kind(argument, number, int, "a whole number")
    if num_classes < 1 or in_channels < 1:
        raise ValueError(f"a network needs at least one class and one channel, not {num_classes} and {in_channels}")
    known = entry(name)
    if not known.family:
        return others.own(name, num_classes, in_channels, size)
    if known.family == "library":
        return others.of_library(known.name, num_classes, in_channels, size)
    if known.family == "architecture":
        return architecture.build(architecture.parse(name), num_classes, in_channels)
    return _FAMILIES[known.family][known.name](num_classes, in_channels)


def _key(name: str) -> str:
    """What is left of a name when everything that spellings differ in is taken away."""
    key = name.lower().replace("\N{MULTIPLICATION SIGN}", "x")
    for mark in "-_. ":
        key = key.replace(mark, "")
    for long, short in _WORDS.items():
        key = key.replace(long, short)
    return key


_KEYS = {_key(name): name for name in _ENTRIES} | {_key(alias): name for alias, name in _ALIASES.items()}
