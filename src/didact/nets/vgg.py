"""VGG networks with batch norm for small images.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition (ICLR 2015),
https://arxiv.org/abs/1409.1556

Five groups of 3x3 convolutions: the first is the stem, each of the others a block. A max pool opens
every block but the last, which stays at the size of the one before (4x4 for 32x32 images), so stem
and block 1 together are B^1 of the SFTN paper's Tables 10 and 11. RepDistiller adds a fifth pool
for 64x64 images; here the layers do not depend on the image. Convolutions have a bias, though batch
norm follows: the published parameter counts include it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.layers import he_normal, normal

_WIDTHS = (64, 128, 256, 512, 512)


def vgg(lengths: tuple[int, ...], num_classes: int, in_channels: int) -> BlockNet:
    """A VGG network with ``lengths[i]`` convolutions in group i; the smallest image is 8x8."""
    stem = nn.Sequential(*_convolutions(in_channels, _WIDTHS[0], lengths[0]), nn.ReLU())
    blocks = []
    for i in (1, 2, 3, 4):
        pool = [] if i == 4 else [nn.MaxPool2d(2)]
        body = nn.Sequential(*pool, *_convolutions(_WIDTHS[i - 1], _WIDTHS[i], lengths[i]))
        blocks.append((str(i), Block(body, nn.ReLU())))
    head = Head(_WIDTHS[-1], num_classes)
    net = BlockNet(stem, blocks, head)
    he_normal(net)
    normal(head.classifier.weight, std=0.01)
    nn.init.zeros_(head.classifier.bias)
    return net


def _convolutions(source: int, width: int, length: int) -> list[nn.Module]:
    """``length`` convolutions with batch norm and a ReLU after each, the last ReLU left out."""
    layers: list[nn.Module] = []
    for i in range(length):
        layers += [nn.Conv2d(width if i else source, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    return layers[:-1]


NETS: dict[str, Callable[[int, int], BlockNet]] = {
    "vgg8": partial(vgg, (1, 1, 1, 1, 1)),
    "vgg11": partial(vgg, (1, 1, 2, 2, 2)),
    "vgg13": partial(vgg, (2, 2, 2, 2, 2)),
    "vgg16": partial(vgg, (2, 2, 3, 3, 3)),
    "vgg19": partial(vgg, (2, 2, 4, 4, 4)),
}
