"""The arithmetic of 8 bits, as ONNX Runtime's static quantisation has it.

    activations    uint8, one scale s and zero point z a tensor:  q = clip(round(x / s) + z, 0, 255),  x' = s (q - z)
    weights        int8, symmetric, a scale for each output channel:  q = clip(round(w / s), -64, 64),  w' = s q
    or             the same with one scale for the whole layer

Weights take 7 of their 8 bits (:mod:`didact.deploy.engine` says why). The scale of a channel is its
greatest absolute weight over 64, so a batch norm behind a convolution changes the scale of a
channel and none of its integers: the convolution may be quantised before the norm is folded into
it. One scale for the layer is that of its weights with the norm folded into them, so there the norm
counts (Krishnamoorthi: Quantizing deep convolutional networks for efficient inference,
https://arxiv.org/abs/1806.08342). Backwards, rounding is the identity, and a value that was clipped has no gradient: the
straight-through estimator (Bengio, Leonard, Courville: Estimating or Propagating Gradients Through
Stochastic Neurons, https://arxiv.org/abs/1308.3432; Jacob et al.: Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018,
https://arxiv.org/abs/1712.05877).
"""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 255
"""Of the integers of an activation; the smallest is 0."""

REACH = 64
"""Integers of a weight are at most so far from 0."""

SMALLEST = 1e-12
"""No scale is below it."""


def affine(span: Tensor) -> tuple[Tensor, Tensor]:
    """Scale (float32) and zero point (int32) of activations in ``span``, which is (least,
    greatest); 0 is always exact."""
    low, high = span[0].clamp(max=0), span[1].clamp(min=0)
    scale = ((high - low) / LARGEST).clamp(min=SMALLEST)
    return scale, (-low / scale).round().clamp(0, LARGEST).to(torch.int32)


def rounded(x: Tensor, span: Tensor) -> Tensor:
    """Activations in float32 with the values that they have in 8 bits."""
    scale, zero = affine(span)
    return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, LARGEST)


def scales(weight: Tensor) -> Tensor:
    """The scale of each output channel (its first dimension), float32."""
    return (weight.detach().flatten(1).abs().amax(1) / REACH).clamp(min=SMALLEST)


def shared_scales(weight: Tensor, factor: Tensor) -> Tensor:
    """The scale of each output channel, float32, where all have the same one as soon as they are
    multiplied by ``factor`` (out), which is a norm's."""
    size = factor.detach().abs().clamp(min=SMALLEST)
    scale = (weight.detach().flatten(1).abs().amax(1) * size).amax() / REACH
    return (scale / size).clamp(min=SMALLEST)


def rounded_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """Weights in float32 with the values that they have in 8 bits, with a ``scale`` for each output
    channel."""
    zero = torch.zeros(len(scale), dtype=torch.int32, device=scale.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -REACH, REACH)
