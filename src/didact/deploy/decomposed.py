"""The integers of a training in 8 bits in torch's own operations (``quantized_decomposed``), as PT2E
leaves them in an exported program: what pt2 files hold, and what ExecuTorch takes over."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from didact.deploy.engine import quiet
from didact.deploy.qdq import Words
from didact.nets.quantised.arithmetic import LARGEST

MIDDLE = 128
"""Integers with a sign are so much less than those without: the values are the same."""

WEIGHTS = (-127, 127)


class Decomposed(Words):
    """Operations of torch.

    Args:
        signed: whether integers of activations are int8, as XNNPACK has them, and not uint8.
    """

    whole_biases = False

    def __init__(self, signed: bool) -> None:
        with quiet():
            import torch.ao.quantization.fx._decomposed  # noqa: F401  # registers the operations
        self.signed = signed

    def rounding(self, scale: Tensor, zero: Tensor) -> nn.Module:
        return _Rounding(float(scale), int(zero), MIDDLE if self.signed else 0)

    def floats(self, scale: Tensor, kind: torch.dtype) -> nn.Module:
        return _ByChannel(scale, kind) if scale.dim() else _ByLayer(float(scale), kind)


class _Rounding(nn.Module):
    def __init__(self, scale: float, zero: int, less: int) -> None:
        super().__init__()
        kind = torch.int8 if less else torch.uint8
        self.how = (scale, zero - less, -less, LARGEST - less, kind)

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.ops.quantized_decomposed.quantize_per_tensor(x, *self.how)
        return torch.ops.quantized_decomposed.dequantize_per_tensor(whole, *self.how)


class _ByChannel(nn.Module):
    scale: Tensor
    zero: Tensor

    def __init__(self, scale: Tensor, kind: torch.dtype) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros_like(scale, dtype=torch.int64))

    def forward(self, whole: Tensor) -> Tensor:
        return torch.ops.quantized_decomposed.dequantize_per_channel(whole, self.scale, self.zero, 0, *WEIGHTS, self.kind)


class _ByLayer(nn.Module):
    def __init__(self, scale: float, kind: torch.dtype) -> None:
        super().__init__()
        self.how = (scale, 0, *WEIGHTS, kind)

    def forward(self, whole: Tensor) -> Tensor:
        return torch.ops.quantized_decomposed.dequantize_per_tensor(whole, *self.how)
