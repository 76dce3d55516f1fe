"""Residual networks for small images, and those for ImageNet.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (CVPR 2016),
https://arxiv.org/abs/1512.03385

The CIFAR form: a 3x3 stem of stride 1 and three stages of basic units, the second and third at half
the size; where width or size change the shortcut is a 1x1 convolution with batch norm (the paper's
option B, as in RepDistiller; the paper's own CIFAR networks pad with zeros). ``resnet50`` has four
stages of bottlenecks and the same small stem.

The ImageNet form, ``resnet18_imagenet`` and so on: a 7x7 stem of stride 2 with a 3x3 max pool of
stride 2, and four stages, so images of 224x224 end as maps of 7x7, images of 64x64 as maps of 2x2.
In a bottleneck the 3x3 convolution strides, as in torchvision ("ResNet v1.5"), whose state dicts
fit (:mod:`didact.nets.published`).

A stage is a block: its feature is the value after the last unit's ReLU, its value before activation
that unit's sum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from didact.nets.blocks import BlockNet, Head
from didact.nets.layers import Residual, Unit, conv_norm, he_normal, stage


def resnet(depth: int, widths: tuple[int, ...], num_classes: int, in_channels: int) -> BlockNet:
    """A CIFAR residual network.

    Args:
        depth: 2 + 6 x the units of a stage (stem, classifier, and two convolutions a unit).
        widths: channels of the stem and of the stages.
    """
    units, rest = divmod(depth - 2, 6)
    assert rest == 0 and units > 0, f"depth is 6n + 2, not {depth}"
    return _net(basic, widths, [units] * 3, num_classes, in_channels)


def resnet50(num_classes: int, in_channels: int) -> BlockNet:
    """The 50-layer bottleneck network with the CIFAR stem (3x3, stride 1, no pooling)."""
    return _net(bottleneck, (64, 256, 512, 1024, 2048), [3, 4, 6, 3], num_classes, in_channels)


def imagenet(unit: Unit, widths: tuple[int, ...], lengths: list[int], num_classes: int, in_channels: int) -> BlockNet:
    """A residual network for ImageNet. The stem's feature is what its max pool gives."""
    stem = nn.Sequential(*conv_norm(in_channels, 64, 7, stride=2), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
    return _net(unit, (64, *widths), lengths, num_classes, in_channels, stem)


def basic(source: int, width: int, stride: int) -> Residual:
    """Two 3x3 convolutions."""
    branch = [*conv_norm(source, width, 3, stride), nn.ReLU(), *conv_norm(width, width, 3)]
    return Residual(nn.Sequential(*branch), _shortcut(source, width, stride))


def bottleneck(source: int, width: int, stride: int) -> Residual:
    """1x1 to a quarter of the width, 3x3 (which strides), 1x1 back."""
    inner = width // 4
    branch = [*conv_norm(source, inner), nn.ReLU(), *conv_norm(inner, inner, 3, stride), nn.ReLU(), *conv_norm(inner, width)]
    return Residual(nn.Sequential(*branch), _shortcut(source, width, stride))


def _shortcut(source: int, width: int, stride: int) -> nn.Module | None:
    return None if source == width and stride == 1 else nn.Sequential(*conv_norm(source, width, 1, stride))


def _net(
    unit: Unit,
    widths: tuple[int, ...],
    lengths: list[int],
    num_classes: int,
    in_channels: int,
    stem: nn.Module | None = None,
) -> BlockNet:
    """Stem of width ``widths[0]``, then one stage for each further width; all stages but the first
    halve the size.

    ``stem``: another one than the small one, a 3x3 convolution of stride 1.
    """
    stem = nn.Sequential(*conv_norm(in_channels, widths[0], 3), nn.ReLU()) if stem is None else stem
    blocks = [
        (str(i), stage(unit, widths[i - 1], widths[i], length, stride=1 if i == 1 else 2))
        for i, length in enumerate(lengths, 1)
    ]
    net = BlockNet(stem, blocks, Head(widths[-1], num_classes))
    he_normal(net)
    return net


_X1 = (16, 16, 32, 64)
_X2 = (16, 32, 64, 128)
_X4 = (32, 64, 128, 256)

NETS: dict[str, Callable[[int, int], BlockNet]] = {
    **{f"resnet{depth}": partial(resnet, depth, _X1) for depth in (8, 14, 20, 32, 38, 44, 56, 110, 116)},
    # The SFTN paper gives resnet8x2 no layer table. Its stem is taken to be that of its resnet8x4
    # (32 channels), while the x2 networks of the SimKD code, whose counts are published, keep the
    # narrow one.
    "resnet8x2": partial(resnet, 8, (32, 32, 64, 128)),
    **{f"resnet{depth}x2": partial(resnet, depth, _X2) for depth in (14, 38, 110)},
    **{f"resnet{depth}x4": partial(resnet, depth, _X4) for depth in (8, 14, 32, 38)},
    "resnet50": resnet50,
    "resnet18_imagenet": partial(imagenet, basic, (64, 128, 256, 512), [2, 2, 2, 2]),
    "resnet34_imagenet": partial(imagenet, basic, (64, 128, 256, 512), [3, 4, 6, 3]),
    "resnet50_imagenet": partial(imagenet, bottleneck, (256, 512, 1024, 2048), [3, 4, 6, 3]),
}
