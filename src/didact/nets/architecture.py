"""Small networks that their names describe completely, and their costs, computed by arithmetic.

    basic-16-2x16-2x32k5-1x64e0.5          inverted-32-1x16e1-2x24k5-3x40-2x80-h640

A name has the kind, the stem's width, one part for each stage, and ``h`` with the width of a last
1x1 convolution, if any. A stage is ``<units>x<width>``, then ``k<kernel>``, ``e<expansion>`` and
``s<stride>``, unless they have their defaults: kernel 3, expansion 1 (basic) or 6 (inverted),
stride 1 in the first stage and 2 in the others. A stage is a block.

basic: the residual unit of He et al. 2016, two convolutions; the expansion widens the middle.
inverted: the inverted bottleneck of Sandler et al. 2018, 1x1 / depthwise / 1x1, not activated at
its end.

Two networks of a kind differ only in the *sizes* of their tensors. A stage's first unit always has
a projection (basic) or never a shortcut (inverted), whatever the widths, so the tensors of a
smaller network are slices of those of a larger one (see :mod:`didact.nets.supernet`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from torch import nn

from didact.nets.blocks import Block, BlockNet, Head, Shape
from didact.nets.layers import Residual, conv_norm, he_normal
from didact.spec import SpecError, shown

Kind = Literal["basic", "inverted"]
USUAL = {"basic": 1.0, "inverted": 6.0}
"""The default expansion, which names leave out."""

_LIKE = re.compile(rf"({'|'.join(get_args(Kind))})-|[a-z]+-[0-9]+-[0-9]+x[0-9]+")
_STEM = re.compile(r"([0-9]{1,6})(?:s([0-9]{1,6}))?")
_STAGE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})(?:k([0-9]{1,6}))?(?:e([0-9]{1,6}(?:\.[0-9]{1,30})?))?(?:s([0-9]{1,6}))?")
_FORM = (
    "the form is <kind>-<stem>-<units>x<width>[k<kernel>][e<expansion>][s<stride>]-...[-h<width>], as basic-16-1x16-2x32; "
    "a number has 6 digits at most"
)

UNITS, WIDTH, KERNEL, STRIDE, EXPANSION, STAGES = 1000, 65_536, 99, 64, 100, 32
"""Limits of names: units of all stages together, channels, and so on."""


@dataclass(frozen=True)
class Stage:
    """``depth`` units of the same ``width``; the first has the ``stride``."""

    depth: int
    width: int
    kernel: int
    expansion: float
    stride: int


@dataclass(frozen=True)
class Architecture:
    """The network that a name describes.

    Attributes:
        stem: channels of the first 3x3 convolution.
        stem_stride: its stride.
        stages: in order; each is a block of the network.
        head: channels of a 1x1 convolution before pooling; 0 for none.
    """

    kind: Kind
    stem: int
    stages: tuple[Stage, ...]
    head: int = 0
    stem_stride: int = 1

    @property
    def name(self) -> str:
        """The canonical name; :func:`parse` gives back an equal architecture."""
        parts = [self.kind, f"{self.stem}" + (f"s{self.stem_stride}" if self.stem_stride != 1 else "")]
        for i, s in enumerate(self.stages):
            part = f"{s.depth}x{s.width}" + (f"k{s.kernel}" if s.kernel != 3 else "")
            part += f"e{_decimal(s.expansion)}" if s.expansion != USUAL[self.kind] else ""
            parts.append(part + (f"s{s.stride}" if s.stride != (2 if i else 1) else ""))
        return "-".join(parts + ([f"h{self.head}"] if self.head else []))

    @property
    def family(self) -> tuple[str | int, ...]:
        """The properties that two architectures must share so that one is a slice of the other."""
        return (self.kind, self.stem_stride, self.head > 0, *(s.stride for s in self.stages))

    @property
    def inputs(self) -> tuple[tuple[int, Stage], ...]:
        """Each stage with its number of input channels."""
        widths = (self.stem, *(s.width for s in self.stages[:-1]))
        return tuple(zip(widths, self.stages, strict=True))


@dataclass(frozen=True)
class Cost:
    """Trainable parameters, and multiply-accumulates of all layers with weights for one image."""

    parameters: int
    macs: int


def is_architecture(name: str) -> bool:
    """Whether ``name`` looks like the name of an architecture, even with an unknown kind."""
    return _LIKE.match(name.lower()) is not None


def parse(name: str) -> Architecture:
    """The architecture that ``name`` describes, in upper or lower case.

    Raises:
        SpecError: an invalid name. The message names the wrong part and the form.
    """
    kind, *parts = name.lower().split("-")
    wrong = f"{shown(name)} spells no architecture: "
    if kind not in get_args(Kind):
        raise SpecError(f"{wrong}it begins with {' or '.join(get_args(Kind))}; {_FORM}")
    head = int(parts.pop()[1:]) if parts and re.fullmatch("h[0-9]{1,6}", parts[-1]) else 0
    if len(parts) < 2:
        raise SpecError(f"{wrong}a stem and at least one stage are wanted; {_FORM}")
    stem = _STEM.fullmatch(parts[0])
    if stem is None:
        raise SpecError(f"{wrong}{shown(parts[0])} is no stem; {_FORM}")
    stages = []
    for i, part in enumerate(parts[1:]):
        fields = _STAGE.fullmatch(part)
        if fields is None:
            raise SpecError(f"{wrong}{shown(part)} is no stage; {_FORM}")
        depth, width, kernel, expansion, stride = fields.groups()
        usual = 2 if i else 1
        stages.append(Stage(int(depth), int(width), int(kernel or 3), float(expansion or USUAL[kind]), int(stride or usual)))
    result = Architecture(kind, int(stem[1]), tuple(stages), head, int(stem[2] or 1))  # type: ignore[arg-type]
    if fault := _fault(result, parts):
        raise SpecError(wrong + fault)
    return result


def _fault(architecture: Architecture, parts: Sequence[str]) -> str | None:
    """The first number out of range, as a message; None without one. ``parts``: stem, then
    stages."""
    if len(architecture.stages) > STAGES:
        return f"{len(architecture.stages)} stages; {STAGES} are the most"
    if sum(s.depth for s in architecture.stages) > UNITS:
        return f"{sum(s.depth for s in architecture.stages)} units in all; {UNITS} are the most"
    widest = max(architecture.stem, architecture.head, *(s.width for s in architecture.stages))
    if widest > WIDTH:
        return f"a width of {widest}; {WIDTH} channels are the most"
    if min(architecture.stem, architecture.stem_stride) < 1:
        return f"{shown(parts[0])}: the stem's width and stride are at least 1"
    for part, s in zip(parts[1:], architecture.stages, strict=True):
        if s.kernel % 2 == 0:
            return (
                f"{shown(part)}: a kernel is odd, found {s.kernel}; write k{max(1, s.kernel - 1)} or k{max(3, s.kernel + 1)}"
            )
        if s.kernel > KERNEL or max(s.stride, architecture.stem_stride) > STRIDE or s.expansion > EXPANSION:
            return f"{shown(part)}: a kernel is at most {KERNEL}, a stride {STRIDE}, an expansion {EXPANSION}"
        if min(s.depth, s.width, s.stride) < 1 or not 0 < s.expansion < float("inf"):
            return f"{shown(part)}: units, width and stride are at least 1, an expansion is more than 0 (e0.5 is one)"
    return None


def _decimal(number: float) -> str:
    """The shortest digits that give back ``number``, without an exponent."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")


# ------------------------------------------------------------------------------------------------
# the network


def build(architecture: Architecture, num_classes: int, in_channels: int) -> BlockNet:
    """The network, freshly initialised as the zoo's residual networks are."""
    blocks = [(str(i), stage_block(architecture.kind, source, s)) for i, (source, s) in enumerate(architecture.inputs, 1)]
    stem = stem_of(architecture.stem, architecture.stem_stride, in_channels)
    net = BlockNet(stem, blocks, head_of(architecture.stages[-1].width, architecture.head, num_classes))
    he_normal(net)
    return net


def stem_of(width: int, stride: int, in_channels: int) -> nn.Module:
    """A stem."""
    return nn.Sequential(*conv_norm(in_channels, width, 3, stride), nn.ReLU())


def head_of(width: int, head: int, num_classes: int) -> Head:
    """A head for a last stage with ``width`` channels."""
    body = nn.Sequential(*conv_norm(width, head), nn.ReLU()) if head else None
    return Head(head or width, num_classes, body=body)


def stage_block(kind: Kind, source: int, s: Stage) -> Block:
    """A stage with ``source`` input channels.

    basic: an activation after each unit; the first unit always has a projection.
    inverted: all units but the first are added to their input.
    """
    body = nn.Sequential()
    for i in range(s.depth):
        inputs, stride = (s.width, 1) if i else (source, s.stride)
        unit = _basic(inputs, stride, s, first=i == 0) if kind == "basic" else _inverted(inputs, stride, s, first=i == 0)
        body.extend([nn.ReLU(), unit] if i and kind == "basic" else [unit])
    return Block(body, nn.ReLU() if kind == "basic" else None)


def _basic(source: int, stride: int, s: Stage, *, first: bool) -> nn.Module:
    inner = middle("basic", source, s)
    branch = [*conv_norm(source, inner, s.kernel, stride), nn.ReLU(), *conv_norm(inner, s.width, s.kernel)]
    return Residual(nn.Sequential(*branch), nn.Sequential(*conv_norm(source, s.width, 1, stride)) if first else None)


def _inverted(source: int, stride: int, s: Stage, *, first: bool) -> nn.Module:
    inner = middle("inverted", source, s)
    branch = [*conv_norm(source, inner), nn.ReLU(), *conv_norm(inner, inner, s.kernel, stride, groups=inner), nn.ReLU()]
    whole = nn.Sequential(*branch, *conv_norm(inner, s.width))
    return whole if first else Residual(whole)


def middle(kind: Kind, source: int, s: Stage) -> int:
    """Channels inside a unit: the expansion times input (inverted) or output (basic) channels."""
    return max(1, round(s.expansion * (source if kind == "inverted" else s.width)))


# ------------------------------------------------------------------------------------------------
# costs


def cost(architecture: Architecture, num_classes: int, image: Shape) -> Cost:
    """Parameters and multiply-accumulates for one image of shape (c, h, w), without building it."""
    parameters = macs = 0
    height, width = image[1:]
    for weights, norms, stride in _convolutions(architecture, image[0]):
        height, width = -(-height // stride), -(-width // stride)
        parameters += weights + 2 * norms
        macs += weights * height * width
    linear = (architecture.head or architecture.stages[-1].width) * num_classes
    return Cost(parameters + linear + num_classes, macs + linear)


def stage_parameters(kind: Kind, source: int, s: Stage) -> int:
    """Parameters of a stage with ``source`` input channels."""
    units = (_unit(kind, s.width if i else source, s, 1, first=i == 0) for i in range(s.depth))
    return sum(weights + 2 * norms for unit in units for weights, norms, _ in unit)


def _convolutions(architecture: Architecture, in_channels: int) -> Iterator[tuple[int, int, int]]:
    """Every convolution in the order of its output's size: (weights, channels of its norm, stride
    against the size so far).

    A strided convolution's shortcut runs at the size that the stride leaves, so its own stride
    counts as 1.
    """
    yield 9 * in_channels * architecture.stem, architecture.stem, architecture.stem_stride
    for source, s in architecture.inputs:
        for i in range(s.depth):
            yield from _unit(architecture.kind, s.width if i else source, s, 1 if i else s.stride, first=i == 0)
    if architecture.head:
        yield architecture.stages[-1].width * architecture.head, architecture.head, 1


def _unit(kind: Kind, source: int, s: Stage, stride: int, *, first: bool) -> Iterator[tuple[int, int, int]]:
    inner, area = middle(kind, source, s), s.kernel**2
    if kind == "inverted":
        yield source * inner, inner, 1
        yield inner * area, inner, stride
        yield inner * s.width, s.width, 1
        return
    yield source * inner * area, inner, stride
    yield inner * s.width * area, s.width, 1
    if first:
        yield source * s.width, s.width, 1
