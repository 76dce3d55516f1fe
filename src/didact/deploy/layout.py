"""How the weights of a network lie in memory while it is exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def row_major(module: nn.Module) -> Iterator[None]:
    """Inside, the parameters and buffers of ``module`` lie row by row. Their values do not change.

    A network of a training has channels-last weights, which make its maps channels-last. Where maps
    are outputs, torch 2.9 then refuses to export it for any number of images: of a single image, it
    could not tell the two layouts apart.
    """
    tensors = [one for one in (*module.parameters(), *module.buffers()) if one.stride() != _steps(one)]
    kept = [one.data for one in tensors]
    for one in tensors:
        one.data = one.data.clone(memory_format=torch.contiguous_format)
    try:
        yield
    finally:
        for one, data in zip(tensors, kept, strict=True):
            one.data = data


def _steps(tensor: Tensor) -> tuple[int, ...]:
    """The strides of such a tensor that lies row by row. ``is_contiguous`` asks nothing of dimensions
    of size 1, and so takes channels-last weights for one channel, or of one pixel, for row by row."""
    return torch.empty(tensor.shape, device="meta").stride()
