"""ShuffleNet V1 and V2 for small images: grouped or split channels, mixed by a shuffle.

Zhang, Zhou, Lin, Sun: ShuffleNet (CVPR 2018), https://arxiv.org/abs/1707.01083
Ma, Zhang, Zheng, Sun: ShuffleNet V2 (ECCV 2018), https://arxiv.org/abs/1807.11164

The CIFAR form of the distillation literature: the stem is a 1x1 convolution of stride 1 instead of
a strided 3x3 and a pool. The value before activation is that before the last unit's ReLU. V2
shuffles *after* that ReLU, so there it is the concatenation in un-shuffled order, and ``block.act``
(ReLU, then shuffle) gives the feature from it. Half of V2's concatenation is passed on from the
unit before and is activated already; a second ReLU leaves it, and its gradient, as is. Weights keep
PyTorch's default initialisation, as in RepDistiller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from didact.nets.blocks import BlockNet, Head
from didact.nets.layers import Residual, Unit, conv_norm, stage
from didact.tensors import Feature

_STEM = 24
_GROUPS = 3


class Shuffle(nn.Module):
    """Channel j of group i goes to place j x groups + i, so that every group of the next layer sees
    every group of this."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Feature) -> Tensor:
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


class Beside(nn.Module):
    """Two branches of one input side by side, not activated."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x: Feature) -> Tensor:
        return torch.cat([self.left(x), self.right(x)], dim=1)


class Split(nn.Module):
    """The first half of the channels as it is, beside a branch of the second; not activated."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Feature) -> Tensor:
        kept, changed = x.chunk(2, dim=1)
        return torch.cat([kept, self.branch(changed)], dim=1)


def unit_v1(source: int, width: int, stride: int) -> nn.Module:
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; added to the input, or beside the pooled
    input where it strides."""
    wide = width if stride == 1 else width - source
    inner = wide // 4
    groups = 1 if source == _STEM else _GROUPS
    branch = nn.Sequential(
        *conv_norm(source, inner, groups=groups),
        nn.ReLU(),
        Shuffle(groups),
        *conv_norm(inner, inner, 3, stride, groups=inner),
        nn.ReLU(),
        *conv_norm(inner, wide, groups=_GROUPS),
    )
    return Residual(branch) if stride == 1 else Beside(branch, nn.AvgPool2d(3, stride, padding=1))


def unit_v2(source: int, width: int, stride: int) -> nn.Module:
    """1x1, depthwise 3x3, 1x1 on half the channels; where it strides, on all, beside depthwise 3x3
    and 1x1."""
    half = width // 2
    branch = nn.Sequential(
        *conv_norm(half if stride == 1 else source, half),
        nn.ReLU(),
        *conv_norm(half, half, 3, stride, groups=half),
        *conv_norm(half, half),
    )
    if stride == 1:
        return Split(branch)
    return Beside(nn.Sequential(*conv_norm(source, source, 3, stride, groups=source), *conv_norm(source, half)), branch)


def shufflenet_v1(num_classes: int, in_channels: int) -> BlockNet:
    """ShuffleNet V1 with 3 groups."""
    return _net(unit_v1, nn.ReLU, (240, 480, 960), (4, 8, 4), Head(960, num_classes), in_channels)


def shufflenet_v2(widths: tuple[int, ...], num_classes: int, in_channels: int) -> BlockNet:
    """ShuffleNet V2 with stages of the given widths and a last 1x1 convolution to 1024."""
    head = Head(1024, num_classes, body=nn.Sequential(*conv_norm(widths[-1], 1024), nn.ReLU()))
    return _net(unit_v2, _relu_shuffle, widths, (4, 8, 4), head, in_channels)


def _relu_shuffle() -> nn.Module:
    return nn.Sequential(nn.ReLU(), Shuffle(2))


def _net(
    unit: Unit,
    act: Callable[[], nn.Module],
    widths: tuple[int, ...],
    lengths: tuple[int, ...],
    head: Head,
    in_channels: int,
) -> BlockNet:
    """1x1 stem and stages that each halve the size."""
    stem = nn.Sequential(*conv_norm(in_channels, _STEM), nn.ReLU())
    sources = (_STEM, *widths)
    blocks = [
        (str(i + 1), stage(unit, sources[i], widths[i], length, stride=2, act=act)) for i, length in enumerate(lengths)
    ]
    return BlockNet(stem, blocks, head)


NETS: dict[str, Callable[[int, int], BlockNet]] = {
    "shufflenet_v1": shufflenet_v1,
    "shufflenet_v2": partial(shufflenet_v2, (116, 232, 464)),
    "shufflenet_v2_x1_5": partial(shufflenet_v2, (176, 352, 704)),
}
