"""Layers between the features of two networks, and which features belong together. Shapes are (c,
h, w), without the batch.

:class:`Transform` leads a feature into another network (SFTN); :class:`Regressor` makes it
comparable with another network's (FitNets, AB). Both are built from real shapes, so nothing is
decided while data run.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from fractions import Fraction
from math import log2

import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets.blocks import Block, Shape
from didact.tensors import Feature


class Resize(nn.Module):
    """To exactly ``size`` (h, w): adaptive average pooling where the map is larger, nearest
    neighbour where smaller."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Feature) -> Tensor:
        height, width = min(x.shape[2], self.size[0]), min(x.shape[3], self.size[1])
        return F.interpolate(F.adaptive_avg_pool2d(x, (height, width)), size=self.size, mode="nearest")


class Frozen(nn.Module):
    """A copy of a trained part that is never trained: its weights take no gradient, and it stays in
    eval mode.

    Gradients flow through it to its input. For methods that reuse a part of the teacher (its
    classifier, its head).
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = deepcopy(part).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Frozen:
        return super().train(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x)


class Transform(Block):
    """The SFTN paper's feature transform: a block that turns one network's feature into another's
    input.

    Equal sizes take one 1x1 convolution. A larger map is halved by 3x3 convolutions of stride 2, a
    smaller one doubled by 4x4 transposed convolutions, as often as brings its area nearest to the
    target's (none, hence 1x1, where that is nearest); batch norm and ReLU follow each, and the
    first changes the channels. Sizes that are not met exactly (the paper has none) end in a
    :class:`Resize` between the last norm and the last ReLU.

    Args:
        source, target: (c, h, w) of the feature given and of the feature wanted.

    Raises:
        ValueError: a shape that is not a map's.
    """

    def __init__(self, source: Shape, target: Shape) -> None:
        channels, *size = _map(source)
        width, *wanted = _map(target)
        steps = round(log2(_area(target) / _area(source)) / 2)
        layers: list[nn.Module] = []
        for i in range(max(1, abs(steps))):
            given = width if i else channels
            layers += [*([nn.ReLU()] if i else []), _step(given, width, steps), nn.BatchNorm2d(width)]
            if steps:
                size = [2 * n if steps > 0 else (n + 1) // 2 for n in size]
        if size != wanted:
            layers.append(Resize((wanted[0], wanted[1])))
        super().__init__(nn.Sequential(*layers), nn.ReLU())


def _step(channels: int, width: int, direction: int) -> nn.Module:
    """One convolution that halves (direction < 0), keeps (0) or doubles the size. No bias: batch
    norm follows."""
    if direction < 0:
        return nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
    if direction > 0:
        return nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False)
    return nn.Conv2d(channels, width, 1, bias=False)


class Regressor(nn.Module):
    """RepDistiller's convolutional regressor: one convolution with bias, batch norm, ReLU.

    A map twice the target's size takes 3x3 with stride 2, one of half its size a transposed 4x4
    with stride 2, any other that is at least as large a kernel of 1 + the difference without
    padding (1x1 where sizes agree). Any other smaller map stays as large as it is, by 3x3 (the
    SimKD code's rule); the caller then pools the target to ``size``. The reference looks at heights
    only; here widths must follow the same rule, which is the same for square maps.

    Args:
        source, target: (c, h, w) of the feature given and of the feature to be met.
        activate: whether the ReLU follows (AB compares values before activation and leaves it out).

    Attributes:
        size: (h, w) of the output.

    Raises:
        ValueError: a shape that is not a map's.
    """

    size: tuple[int, int]

    def __init__(self, source: Shape, target: Shape, activate: bool = True) -> None:
        super().__init__()
        channels, height, width = _map(source)
        wide, *size = _map(target)
        self.size = (size[0], size[1])
        if (height, width) == (2 * size[0], 2 * size[1]):
            self.conv: nn.Module = nn.Conv2d(channels, wide, 3, stride=2, padding=1)
        elif (2 * height, 2 * width) == self.size:
            self.conv = nn.ConvTranspose2d(channels, wide, 4, stride=2, padding=1)
        elif height >= size[0] and width >= size[1]:
            self.conv = nn.Conv2d(channels, wide, (1 + height - size[0], 1 + width - size[1]))
        else:
            self.conv = nn.Conv2d(channels, wide, 3, padding=1)
            self.size = (height, width)
        self.norm = nn.BatchNorm2d(wide)
        self.act = nn.ReLU() if activate else nn.Identity()

    def forward(self, x: Feature) -> Tensor:
        return self.act(self.norm(self.conv(x)))


def match(own: Sequence[Shape], other: Sequence[Shape]) -> tuple[tuple[int, int], ...]:
    """For each own block the block of the other network that belongs to it: (own index, other
    index) pairs from 0.

    As many blocks on both sides are paired in order, as the papers do. Otherwise an own block gets
    the one whose size is nearest (by the ratio of the areas), among equally near ones that at the
    nearest relative depth, then the earlier; a later block never gets an earlier partner.

    Raises:
        ValueError: the other network shows no feature, or a shape that is not a map's.
    """
    if len(own) == len(other):
        return tuple((i, i) for i in range(len(own)))
    if not other:
        raise ValueError(f"no blocks to match {len(own)} blocks with")
    pairs: list[tuple[int, int]] = []
    for i, shape in enumerate(own):
        first = pairs[-1][1] if pairs else 0
        nearest = min(
            (_ratio(shape, other[j]), abs((j + 1) * len(own) - (i + 1) * len(other)), j) for j in range(first, len(other))
        )
        pairs.append((i, nearest[-1]))
    return tuple(pairs)


def one_position(a: Shape, b: Shape) -> bool:
    """Whether maps of these shapes meet at a single position when the larger is pooled to the
    smaller."""
    return min(a[1], b[1]) == min(a[2], b[2]) == 1


class Matched(nn.Module):
    """Nothing but ``pairs``, what :func:`match` says of two rows of features: extras of methods
    that compare them as they are."""

    def __init__(self, own: Sequence[Shape], other: Sequence[Shape]) -> None:
        super().__init__()
        self.pairs = match(own, other)


def _map(shape: Shape) -> tuple[int, int, int]:
    """``shape`` if it is a map's: three positive numbers."""
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"expected the shape (channels, height, width) of a feature map, found {tuple(shape)}")
    return shape[0], shape[1], shape[2]


def _ratio(a: Shape, b: Shape) -> Fraction:
    """The larger area over the smaller: exact, so that half and twice the size are equally near."""
    small, large = sorted((_area(a), _area(b)))
    return Fraction(large, small)


def _area(shape: Shape) -> int:
    _, height, width = _map(shape)
    return height * width
