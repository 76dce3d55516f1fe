"""Layers and activations that compute in float32 with the values that they have in 8 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from didact.nets.layers import PaddedConv2d, StridedPointwise, convolved, needs_indexing, strided
from didact.nets.quantised.arithmetic import rounded, rounded_weight, scales, shared_scales

PACE = 0.01
"""How far the range of an activation goes towards that of a new batch."""

NARROW = 1e-6
"""No range ends below it, so that one of zeros is told apart from one that was not seen."""

INPUT, OUTPUT = "quantise_input", "quantise_output"
"""Names of the parts that quantise what a layer is given, and what a module gives."""


class Quantiser(nn.Module):
    """Activations as they are in 8 bits. In training mode it follows their range.

    Attributes:
        range: (least, greatest): those of the first batch, then a running mean over batches; both 0
            until a batch was seen, and as long as values stay as they are in eval mode.
    """

    range: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("range", torch.zeros(2))

    @property
    def seen(self) -> bool:
        """Whether there is a range. Waits for the device."""
        return not bool(self._unseen())

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            return x
        x = x.float()
        if self.training:
            self._follow(x)
            return rounded(x, self.range)
        return torch.where(self._unseen(), x, rounded(x, self.range))

    def _unseen(self) -> Tensor:
        return self.range[1] == self.range[0]

    @torch.no_grad()
    def _follow(self, x: Tensor) -> None:
        low, high = x.aminmax()
        now = torch.stack([low.clamp(max=0), high.clamp(min=NARROW)])
        self.range.copy_(torch.where(self._unseen(), now, torch.lerp(self.range, now, PACE)))


class Folds:
    """The batch norm that alone reads what a layer gives, for layers with one scale: with it folded
    in, all channels have that scale. It is no part of the layer.

    Args:
        norm: None without one.
    """

    def __init__(self, norm: nn.BatchNorm2d | None) -> None:
        self.norm = norm

    def factor(self, weight: Tensor) -> Tensor:
        """By what the norm multiplies each output channel of ``weight`` in eval mode (out)."""
        norm = self.norm
        if norm is None or norm.running_var is None:
            return weight.new_ones(len(weight))
        size = (norm.running_var + norm.eps).rsqrt()
        return size if norm.weight is None else size * norm.weight.detach()


def weight_scales(layer: QuantisedConv2d | QuantisedLinear) -> Tensor:
    """The scale of each output channel of a layer's weights, float32."""
    if layer.folds is None:
        return scales(layer.weight)
    return shared_scales(layer.weight, layer.folds.factor(layer.weight))


def _rounded(layer: QuantisedConv2d | QuantisedLinear) -> Tensor:
    """The weights that a layer computes with."""
    return layer.weight if layer.weight.is_meta else rounded_weight(layer.weight, weight_scales(layer))


class QuantisedConv2d(nn.Conv2d):
    """A convolution with the weights that it has in 8 bits. Its bias stays in float32: in 8 bits
    it has 32.

    Attributes:
        quantise_input: a :class:`Quantiser`; None where what comes in is quantised already.
        source: the path in the network of what quantises its input.
        carried: whether it is given some of that, or at other places.
        norm: the path of the batch norm that alone reads what it gives; empty without one.
        folds: the same norm where the layer has one scale for its weights; None where each output
            channel has its own.
    """

    quantise_input: Quantiser | None
    source: str
    carried: bool
    norm: str
    folds: Folds | None

    def forward(self, input: Tensor) -> Tensor:
        x = input if self.quantise_input is None else self.quantise_input(input)
        weight = _rounded(self)
        if needs_indexing(self):
            return strided(self, x, weight)
        return convolved(self, x, weight)


class QuantisedLinear(nn.Linear):
    """A linear layer with the weights that it has in 8 bits; attributes as of
    :class:`QuantisedConv2d`."""

    quantise_input: Quantiser | None
    source: str
    carried: bool
    norm: str
    folds: Folds | None

    def forward(self, input: Tensor) -> Tensor:
        x = input if self.quantise_input is None else self.quantise_input(input)
        return nn.functional.linear(x, _rounded(self), self.bias)


QUANTISED: dict[type, type] = {
    nn.Conv2d: QuantisedConv2d,
    StridedPointwise: QuantisedConv2d,
    PaddedConv2d: QuantisedConv2d,
    nn.Linear: QuantisedLinear,
}
"""What becomes of layers; those of other kinds stay in float32."""


def quantise_output(module: nn.Module, given: Any, output: Tensor) -> Tensor:
    """A forward hook: what ``module`` gives, as its part :data:`OUTPUT` quantises it."""
    return getattr(module, OUTPUT)(output)
