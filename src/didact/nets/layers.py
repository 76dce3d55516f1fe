"""Parts of several families: residual units, stages, convolutions with norm, initialisation."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets.blocks import Block
from didact.tensors import Feature

FEW_CHANNELS = 16
"""oneDNN's largest block of float32 channels (AVX-512; AVX2 has 8)."""

Unit = Callable[[int, int, int], nn.Module]
"""Makes one unit from (channels in, channels out, stride); the unit's output is not activated."""


class Residual(nn.Module):
    """``branch(x) + shortcut(x)``, not activated. Without a shortcut, x itself is added."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Feature) -> Tensor:
        return self.branch(x) + self.shortcut(x)


class StridedPointwise(nn.Conv2d):
    """A 1x1 convolution with a stride and few input channels. In training on the CPU it strides by
    indexing.

    There oneDNN's weight gradient of channels-last images writes past its workspace where the input
    has fewer channels than a block (https://github.com/uxlfoundation/oneDNN/issues/6035): wrong
    gradients, or a crash. Stride 1 is not affected.
    """

    def forward(self, input: Tensor) -> Tensor:
        return strided(self, input, self.weight)


def strided(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> Tensor:
    """What ``conv`` gives for ``x`` with ``weight`` in its weight's place; see
    :class:`StridedPointwise`."""
    if x.device.type != "cpu" or not (torch.is_grad_enabled() and weight.requires_grad):
        return conv._conv_forward(x, weight, conv.bias)
    rows, columns = conv.stride
    return F.conv2d(x[:, :, ::rows, ::columns].contiguous(memory_format=torch.channels_last), weight, conv.bias)


def needs_indexing(conv: nn.Conv2d) -> bool:
    """Whether oneDNN may compute a wrong weight gradient for ``conv``: see
    :class:`StridedPointwise`."""
    plain = set(conv.kernel_size) == {1} and conv.groups == 1 and not any(conv.padding)
    return plain and max(conv.stride) > 1 and conv.in_channels < FEW_CHANNELS


def index_strides(net: nn.Module) -> nn.Module:
    """Make every ``nn.Conv2d`` in ``net`` that needs it a :class:`StridedPointwise`, in place:
    parameters and names stay."""
    for module in net.modules():
        if type(module) is nn.Conv2d and needs_indexing(module):
            module.__class__ = StridedPointwise
    return net


class PaddedConv2d(nn.Conv2d):
    """A convolution that, in bfloat16 training on the CPU, computes tiny maps in float32.

    There oneDNN leaves the weight gradient of a kernel's tap unset where that tap meets padding
    alone, as eight of nine do in a 3x3 convolution of a map of 1x1 (torch 2.13, stride 2; also 5x5
    and 7x7 of 2x2): numbers of no meaning, or NaN. In float32 it is 0, as it should be.
    """

    def forward(self, input: Tensor) -> Tensor:
        return convolved(self, input, self.weight)


def convolved(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> Tensor:
    """What ``conv`` gives for ``x`` with ``weight`` in its weight's place; see
    :class:`PaddedConv2d`."""
    trains = x.device.type == "cpu" and torch.is_grad_enabled() and weight.requires_grad
    if not (trains and torch.is_autocast_enabled("cpu") and has_idle_taps(conv, x.shape[-2], x.shape[-1])):
        return conv._conv_forward(x, weight, conv.bias)
    with torch.autocast("cpu", enabled=False):
        return conv._conv_forward(x.float(), weight, conv.bias)


def has_idle_taps(conv: nn.Conv2d, height: int, width: int) -> bool:
    """Whether some tap of the kernel meets nothing but padding in a map of this size."""
    left, right, top, bottom = conv._reversed_padding_repeated_twice
    padding = ((top, bottom), (left, right))
    for size, (before, after), kernel, stride, dilation in zip(
        (height, width), padding, conv.kernel_size, conv.stride, conv.dilation, strict=True
    ):
        reach = dilation * (kernel - 1)
        starts = range(-before, size + after - reach, stride)
        for tap in range(0, reach + 1, dilation):
            if not any(0 <= start + tap < size for start in starts):
                return True
    return False


def guard_tiny_maps(net: nn.Module) -> nn.Module:
    """Make every ``nn.Conv2d`` in ``net`` that pads a :class:`PaddedConv2d`, in place: parameters and
    names stay."""
    for module in net.modules():
        if type(module) is nn.Conv2d and any(module._reversed_padding_repeated_twice):
            module.__class__ = PaddedConv2d
    return net


def conv_norm(source: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias, which divides the size by ``stride`` and rounds up, and its batch
    norm."""
    conv = nn.Conv2d(source, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [index_strides(conv), nn.BatchNorm2d(width)]


def stage(unit: Unit, source: int, width: int, length: int, stride: int, act: Callable[[], nn.Module] = nn.ReLU) -> Block:
    """``length`` units as one block, activated after each; the first changes the width and strides.

    The last activation is the block's own, so the last unit's output is the block's value before
    activation.
    """
    body = nn.Sequential(unit(source, width, stride))
    for _ in range(length - 1):
        body.extend([act(), unit(width, width, 1)])
    return Block(body, act())


def normal(weight: Tensor, std: float) -> None:
    """Draw ``weight`` from N(0, std^2). On the meta device there is nothing to draw, and torch
    takes its time over it."""
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)


def he_normal(net: nn.Module) -> None:
    """Draw every convolution's weights from N(0, 2 / (kernel area x channels out)), as He et al.
    do; biases become 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            if not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
