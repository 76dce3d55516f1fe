"""Memory in which decoders leave the pixels of batches, and where the process that started them
finds them.

It is reserved before the decoders are forked, so all of them see it, it counts against no file
system, and nothing is sent. Its pages are used again for later batches: a page costs much more when
it is touched for the first time.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping

import numpy as np


class Slots:
    """Room for the pixels of ``count`` batches of ``size`` bytes each.

    Args:
        count: one more than batches are decoded ahead; the one more is in use.
        size: of the largest batch.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self._memory = np.frombuffer(mmap.mmap(-1, max(1, count * size)), np.uint8)
        self._size = size

    def of(self, batch: int) -> np.ndarray:
        """The bytes of the batch of this number, uint8 (size,). A later batch uses them again."""
        start = batch % self.count * self._size
        return self._memory[start : start + self._size]


def volume(images: int, shares: Mapping[str, int], size: int) -> int:
    """Bytes of a batch: so many images of size x size by three channels, each in the renderings
    that ``shares`` counts by name.
    """
    return images * sum(shares.values()) * size * size * 3


def renderings(block: np.ndarray, images: int, shares: Mapping[str, int], size: int) -> dict[str, np.ndarray]:
    """``block`` by name, uint8 (images * share, size, size, 3) each: the renderings of the first
    image, of the second, and so on.
    """
    parts, start = {}, 0
    for name, share in shares.items():
        end = start + volume(images, {name: share}, size)
        parts[name] = block[start:end].reshape(images * share, size, size, 3)
        start = end
    return parts
