"""MobileNetV2 for small images.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2 (CVPR 2018), https://arxiv.org/abs/1801.04381

The settings of the distillation literature (RepDistiller): expansion 6, stem of stride 2, the
second group unstrided, ReLU where the paper has ReLU6, no dropout. Features are linear bottlenecks,
so a feature is its own value before activation. ``mobilenet_v2`` has half the paper's width and
``mobilenet_v2_x2`` the paper's (SimKD's MobileNetV2_1_0, twice the former).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.layers import Residual, conv_norm, he_normal, normal

_BLOCKS = (
    ((1, 16, 1, 1), (6, 24, 2, 1)),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)
"""Per block, its groups of bottlenecks: (expansion, channels at full width, how many, stride of the
first)."""


def inverted(source: int, width: int, stride: int, expansion: int) -> nn.Module:
    """1x1 to ``expansion`` times the channels, depthwise 3x3, 1x1 down; added to the input where
    the shapes agree."""
    inner = source * expansion
    branch = nn.Sequential(
        *conv_norm(source, inner),
        nn.ReLU(),
        *conv_norm(inner, inner, 3, stride, groups=inner),
        nn.ReLU(),
        *conv_norm(inner, width),
    )
    return Residual(branch) if stride == 1 and source == width else branch


def mobilenet(factor: float, num_classes: int, in_channels: int) -> BlockNet:
    """MobileNetV2 at ``factor`` times the paper's width; the last 1x1 convolution has 1280 channels
    at any width."""
    source = int(32 * factor)
    stem = nn.Sequential(*conv_norm(in_channels, source, 3, stride=2), nn.ReLU())
    blocks = []
    for number, groups in enumerate(_BLOCKS, 1):
        body = nn.Sequential()
        for expansion, channels, length, first in groups:
            width = int(channels * factor)
            for i in range(length):
                body.append(inverted(source, width, 1 if i else first, expansion))
                source = width
        blocks.append((str(number), Block(body)))
    head = Head(1280, num_classes, body=nn.Sequential(*conv_norm(source, 1280), nn.ReLU()))
    net = BlockNet(stem, blocks, head)
    he_normal(net)
    normal(head.classifier.weight, std=0.01)
    nn.init.zeros_(head.classifier.bias)
    return net


NETS: dict[str, Callable[[int, int], BlockNet]] = {
    "mobilenet_v2": partial(mobilenet, 0.5),
    "mobilenet_v2_x2": partial(mobilenet, 1.0),
}
