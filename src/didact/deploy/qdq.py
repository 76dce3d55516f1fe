"""A network that was trained in 8 bits, with the integers and the scales of its training, for an
exporter: nothing is calibrated.

Where the network rounds (:mod:`didact.nets.quantised.points`) a tensor becomes integers and floats
again, and weights are integers that become floats. A runtime computes what lies between them in
integers. Forms have operations of their own for it: :class:`Words`. The scale of a layer's weights
is one for each output channel, or a single number.

For ONNX the form is that of ONNX Runtime's static quantisation (QDQ): a QuantizeLinear and a
DequantizeLinear at each such place, weights as int8 and biases as int32 before a DequantizeLinear.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.deploy.engine import converted
from didact.deploy.onnx_file import Normalised
from didact.nets.blocks import BlockNet, Shape
from didact.nets.quantised import Quantiser, unseen
from didact.nets.quantised.arithmetic import REACH, SMALLEST, affine, rounded_weight
from didact.nets.quantised.layers import INPUT, OUTPUT, QuantisedConv2d, QuantisedLinear, weight_scales

MOST = 2.0**30
"""Integers of a bias are at most so far from 0; they have 32 bits."""

QuantisedLayer = QuantisedConv2d | QuantisedLinear


def model_of(net: BlockNet, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """``net``, trained in 8 bits and in eval mode, as an ONNX model in 8 bits: ``images``
    (b, c, h, w) on the scale 0 to 1 in, ``logits`` (b, classes) out, for any b.

    Raises:
        ValueError: an activation has no range (:func:`didact.nets.quantised.unseen`).
        didact.deploy.engine.Unsupported: an operation has no counterpart; the message names it.
    """
    return converted(Normalised(integral(net, Onnx()), mean, std).eval(), image, ["logits"])


class Words(Protocol):
    """How a form says that numbers are integers.

    Attributes:
        whole_biases: whether biases are integers, too, or the floats of the training.
    """

    whole_biases: bool

    def rounding(self, scale: Tensor, zero: Tensor) -> nn.Module:
        """A module that makes of a tensor one of the integers 0 to 255, and floats again."""
        ...

    def floats(self, scale: Tensor, kind: torch.dtype) -> nn.Module:
        """A module that makes floats of integers (out, ...) of a ``kind``, which have the ``scale``
        of each of ``out``, or one (of no dimension) for all."""
        ...


def integral(net: BlockNet, words: Words) -> BlockNet:
    """A copy of ``net`` for an exporter: with integers where ``net`` rounds, and norms folded.

    Raises:
        ValueError: an activation has no range (:func:`didact.nets.quantised.unseen`).
    """
    lacking = unseen(net)
    if lacking:
        raise ValueError(f"no range of values in 8 bits at {', '.join(lacking[:3])}: show the network images in train mode")
    twin = copy.deepcopy(net).eval().requires_grad_(False)
    parts = dict(twin.named_modules())
    layers = {path: part for path, part in parts.items() if isinstance(part, QuantisedLayer)}
    made: dict[nn.Module, nn.Module] = {
        part: _rounding(part, words) for part in parts.values() if isinstance(part, Quantiser)
    }
    for path, layer in layers.items():
        norm = parts[layer.norm] if layer.norm else None
        assert norm is None or isinstance(norm, nn.BatchNorm2d)
        given = getattr(parts[layer.source], INPUT if layer.source == path else OUTPUT)
        made[layer] = _Integers(layer, norm, given, words)
        if norm is not None:
            made[norm] = _Passing(getattr(norm, OUTPUT, None))
    for module in [*twin.modules(), *made.values()]:
        for name, part in module._modules.items():
            if part in made:
                module._modules[name] = made[part]
    return twin


def _rounding(quantiser: Quantiser, words: Words) -> nn.Module:
    return words.rounding(*affine(quantiser.range))


class Onnx(Words):
    """Operations of ONNX."""

    whole_biases = True

    def rounding(self, scale: Tensor, zero: Tensor) -> nn.Module:
        return _Rounding(scale, zero)

    def floats(self, scale: Tensor, kind: torch.dtype) -> nn.Module:
        return _Floats(scale, kind)


class _Rounding(nn.Module):
    """A tensor to 8 bits and back."""

    scale: Tensor
    zero: Tensor

    def __init__(self, scale: Tensor, zero: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.clone())
        self.register_buffer("zero", zero.to(torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.onnx.ops.symbolic(
            "QuantizeLinear", (x, self.scale, self.zero), dtype=torch.uint8, shape=x.shape, version=13
        )
        return _floats(whole, self.scale, self.zero)


class _Floats(nn.Module):
    """Integers with a scale each, or one for all, to floats; their zero point is 0."""

    scale: Tensor
    zero: Tensor

    def __init__(self, scale: Tensor, kind: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros_like(scale, dtype=kind))

    def forward(self, whole: Tensor) -> Tensor:
        return _floats(whole, self.scale, self.zero, 0 if self.scale.dim() else None)


def _floats(whole: Tensor, scale: Tensor, zero: Tensor, axis: int | None = None) -> Tensor:
    attributes: Any = {} if axis is None else {"axis": axis}
    return torch.onnx.ops.symbolic(
        "DequantizeLinear", (whole, scale, zero), attributes, dtype=torch.float32, shape=whole.shape, version=13
    )


class _Passing(nn.Module):
    """In the place of a norm that was folded: what it is given, rounded where the norm's output
    was."""

    def __init__(self, after: nn.Module | None) -> None:
        super().__init__()
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(x)


class _Integers(nn.Module):
    """A convolution or linear layer, and the norm behind it, with integer weights.

    A channel of weights is the integers of the training times a scale that includes the norm's, or
    that of the whole layer. It is raised where a bias would not fit into 32 bits, which is where
    weights hardly count. What
    is carried to the layer from elsewhere is rounded again, which changes no value: only then does
    the runtime see that the layer is given integers.

    Args:
        given: what rounds its input.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: QuantisedLayer, norm: nn.BatchNorm2d | None, given: Quantiser, words: Words) -> None:
        super().__init__()
        self.before = given if layer.carried or layer.quantise_input is not None else nn.Identity()
        self.after = getattr(layer, OUTPUT, nn.Identity())
        self.layer = [layer]  # in a list, so that it is no part of this one
        own = weight_scales(layer)
        shape = (-1, *[1] * (layer.weight.dim() - 1))
        whole = (rounded_weight(layer.weight, own) / own.reshape(shape)).round().double()
        factor, bias = _folded(layer, norm)
        step = affine(given.range)[0].double()
        wanted = torch.maximum(own.double() * factor.abs(), bias.abs() / (step * MOST)).clamp(min=SMALLEST)
        scale = (wanted if layer.folds is None else wanted.amax()).float()
        whole = whole * (own.double() * factor / scale.double()).reshape(shape)
        self.register_buffer("weight", whole.round().clamp(-REACH, REACH).to(torch.int8))
        self.floats = words.floats(scale, torch.int8)
        bias_scale = (scale * step.float()).float()
        if words.whole_biases:
            self.register_buffer("bias", (bias / bias_scale.double()).round().to(torch.int32))
            self.bias_floats = words.floats(bias_scale, torch.int32)
        else:
            self.register_buffer("bias", bias.float())
            self.bias_floats = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer[0]
        x = self.before(x)
        weight, bias = self.floats(self.weight), self.bias_floats(self.bias)
        if isinstance(layer, nn.Linear):
            return self.after(F.linear(x, weight, bias))
        return self.after(layer._conv_forward(x, weight, bias))


def _folded(layer: QuantisedLayer, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """By what a norm multiplies each channel of ``layer``, and the bias of both together; float64."""
    start = torch.zeros(len(layer.weight), dtype=torch.float64)
    if layer.bias is not None:
        start = layer.bias.detach().double()
    if norm is None:
        return torch.ones_like(start), start
    assert norm.running_mean is not None and norm.running_var is not None
    factor = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.detach().double()
    shift = 0 if norm.bias is None else norm.bias.detach().double()
    return factor, (start - norm.running_mean.double()) * factor + shift
