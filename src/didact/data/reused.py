"""Memory of batches that is used again once nobody looks at them.

A page of memory costs several microseconds when it is touched for the first time, and a batch of
photographs has thousands: fresh memory took longer than the numbers that were written into it.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

KEPT = 2
"""Pieces of memory that are kept: one is looked at while the next is written."""


class Reused:
    """Gives tensors on the CPU, in memory that is used again when no tensor shares it any more.

    So what is given stays as it is for as long as anybody, a gradient's graph included, holds it or
    a view of it.
    """

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []

    def empty(self, shape: Sequence[int]) -> Tensor:
        """A float32 tensor, contiguous, of any values."""
        size = math.prod(shape)
        piece = next((one for one in self._pieces if one.holds(size)), None)
        if piece is None:
            piece = _Piece(size)
            self._pieces = [*[one for one in self._pieces if one.size >= size], piece][-KEPT:]
        return piece.given(size).view(*shape)


class _Piece:
    """Some memory, and the array over it that its tensors hold while they live."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = torch.empty(size).numpy()  # torch's memory begins where its kernels like it
        self._given: weakref.ref[np.ndarray] | None = None

    def holds(self, size: int) -> bool:
        return self.size >= size and (self._given is None or self._given() is None)

    def given(self, size: int) -> Tensor:
        array = self._memory[:size]
        self._given = weakref.ref(array)
        return torch.from_numpy(array)
