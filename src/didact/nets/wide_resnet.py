"""Wide residual networks: pre-activation, so a feature is normalised and activated by the part that
follows it.

Zagoruyko, Komodakis: Wide Residual Networks (BMVC 2016), https://arxiv.org/abs/1605.07146

``wrn_40_2`` is 40 layers deep and twice as wide as the narrow network. The stem is a bare
convolution, features are raw residual sums (signed, not normalised), and a feature's value before
activation is what the next part's first norm makes of it: the next stage's ``enter``, or the head's
for the last stage. No dropout.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.layers import he_normal
from didact.tensors import Feature


class Residual(nn.Module):
    """A unit without its first norm: activation, convolution, norm, activation, convolution, plus
    the shortcut.

    Where the width changes the shortcut is a 1x1 convolution of the *activated* input, otherwise
    the unit's raw input.
    """

    def __init__(self, source: int, width: int, stride: int) -> None:
        super().__init__()
        self.act = nn.ReLU()
        self.branch = nn.Sequential(
            nn.Conv2d(source, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
        )
        self.shortcut = None if source == width else nn.Conv2d(source, width, 1, stride, bias=False)

    def forward(self, x: Feature, entered: Tensor) -> Tensor:
        """``entered`` is x after the unit's first norm."""
        active = self.act(entered)
        return self.branch(active) + (x if self.shortcut is None else self.shortcut(active))


class Unit(nn.Module):
    """A whole unit of constant width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.residual = Residual(width, width, stride=1)

    def forward(self, x: Feature) -> Tensor:
        return self.residual(x, self.norm(x))


class WideBlock(Block):
    """A stage. The first unit's norm is the block's ``enter``: its output belongs to the feature
    before this block."""

    def __init__(self, source: int, width: int, length: int, stride: int) -> None:
        super().__init__(nn.Sequential(*(Unit(width) for _ in range(length - 1))))
        self.enter = nn.BatchNorm2d(source)
        self.first = Residual(source, width, stride)

    def show(self, x: Feature) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(feature, None, normalised input): the feature's own norm belongs to the next part."""
        assert self.enter is not None
        entered = self.enter(x)
        return self.body(self.first(x, entered)), None, entered


def wide_resnet(depth: int, factor: int, num_classes: int, in_channels: int) -> BlockNet:
    """A wide residual network of ``depth`` = 6n + 4 layers whose stages are 16, 32 and 64 times
    ``factor`` wide."""
    units, rest = divmod(depth - 4, 6)
    assert rest == 0 and units > 0, f"depth is 6n + 4, not {depth}"
    widths = (16, 16 * factor, 32 * factor, 64 * factor)
    stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
    blocks = [(str(i), WideBlock(widths[i - 1], widths[i], units, stride=1 if i == 1 else 2)) for i in (1, 2, 3)]
    head = Head(widths[-1], num_classes, enter=nn.BatchNorm2d(widths[-1]), body=nn.ReLU())
    net = BlockNet(stem, blocks, head)
    he_normal(net)
    nn.init.zeros_(head.classifier.bias)
    return net


NETS: dict[str, Callable[[int, int], BlockNet]] = {
    f"wrn_{depth}_{factor}": partial(wide_resnet, depth, factor) for depth in (16, 40) for factor in (1, 2)
}
