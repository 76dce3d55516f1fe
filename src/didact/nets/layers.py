"""Pieces that several families are built from: residual units, stages, convolutions with their norm, initialisation."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from didact.nets.blocks import Block
from didact.tensors import Feature

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


def conv_norm(source: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias, which divides the size by ``stride`` and rounds up, and its batch norm."""
    conv = nn.Conv2d(source, width, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(width)]


def stage(unit: Unit, source: int, width: int, length: int, stride: int, act: Callable[[], nn.Module] = nn.ReLU) -> Block:
    """``length`` units as one block, activated after each; the first changes the width and strides.

    The last activation is the block's own, so the last unit's output is the block's value before activation.
    """
    body = nn.Sequential(unit(source, width, stride))
    for _ in range(length - 1):
        body.extend([act(), unit(width, width, 1)])
    return Block(body, act())


def he_normal(net: nn.Module) -> None:
    """Draw every convolution's weights from N(0, 2 / (kernel area x channels out)), as He et al. do; biases become 0."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
