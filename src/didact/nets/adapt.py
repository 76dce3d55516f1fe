"""Adapters between the features of two networks, and pairs of features.

Shapes are (c, h, w), without the batch. :class:`Transform` converts a feature into another
network's input (SFTN); :class:`Regressor` makes it comparable with another network's feature
(FitNets, AB). Both are built from shapes before any data run.
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
    """Resizes to ``size`` (h, w): larger maps by average pooling, smaller by nearest neighbour."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Feature) -> Tensor:
        height, width = min(x.shape[2], self.size[0]), min(x.shape[3], self.size[1])
        return F.interpolate(F.adaptive_avg_pool2d(x, (height, width)), size=self.size, mode="nearest")


class Frozen(nn.Module):
    """A copy of a trained part without gradients for its weights, always in eval mode.

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
    """The SFTN paper's feature transform, from one network's feature to another's input.

    Equal sizes need one 1x1 convolution. 3x3 convolutions of stride 2 halve a larger map, and 4x4
    transposed convolutions double a smaller one, as often as brings the area nearest to the
    target's (a 1x1 convolution if that is not at all). Batch norm and ReLU follow each; the first
    changes the channels. If the size is then not exact (which does not occur in the paper), a
    :class:`Resize` comes between the last norm and the last ReLU.

    Args:
        source, target: (c, h, w) of the input and of the output.

    Raises:
        ValueError: a shape that is not a map's.
    """

    def __init__(self, source: Shape, target: Shape) -> None:
        channels, *size = _map(source)
        width, *target_size = _map(target)
        steps = round(log2(_area(target) / _area(source)) / 2)
        layers: list[nn.Module] = []
        for i in range(max(1, abs(steps))):
            inputs = width if i else channels
            layers += [*([nn.ReLU()] if i else []), _step(inputs, width, steps), nn.BatchNorm2d(width)]
            if steps:
                size = [2 * n if steps > 0 else (n + 1) // 2 for n in size]
        if size != target_size:
            layers.append(Resize((target_size[0], target_size[1])))
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
    """Pairs (own index, other index) of blocks of two networks, one for each own block, from 0.

    With equal numbers of blocks, they are paired in order, as in the papers. Otherwise an own block
    is paired with the other network's block of nearest size (by the ratio of areas); ties are
    broken by relative depth, then by order. Partners never go backwards.

    Raises:
        ValueError: the other network has no feature, or a shape is not that of a map.
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
    """Whether pooling the larger of two maps to the size of the smaller leaves one position."""
    return min(a[1], b[1]) == min(a[2], b[2]) == 1


class Matched(nn.Module):
    """Parameter-free extras: ``pairs`` of blocks to compare, by :func:`match`."""

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
