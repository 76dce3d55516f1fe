"""Split: images of one kind (training, validation, test), their labels and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Labelled(Protocol):
    """Images whose labels are known; their pixels come when they are taken. A :class:`Split` is
    one.
    """

    @property
    def labels(self) -> Tensor:
        """int64 classes, (n,)."""
        ...

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), in that order."""
        ...


RESIDENT = 0.5
"""Images are kept on a GPU where they take at most this share of its free memory."""


def sent(values: Tensor, device: torch.device | str) -> Tensor:
    """``values`` on ``device``. From the host's memory to a GPU the host does not wait; the other
    way round is not for this function.
    """
    return values.to(device, non_blocking=True)


def fits(images: Tensor, device: torch.device) -> bool:
    """Whether ``images`` can be kept on ``device``."""
    return device.type != "cuda" or images.nbytes <= RESIDENT * torch.cuda.mem_get_info(device)[0]


@dataclass(frozen=True)
class Split:
    """Images that belong together, all tensors on one device, or the images alone in the host's
    memory.

    Attributes:
        images: uint8, (n, c, h, w), kept in channels-last order: a crop then moves whole pixels.
        labels: int64 classes, (n,).
        index: int64 positions in the full published set, (n,).
    """

    images: Tensor
    labels: Tensor
    index: Tensor

    @classmethod
    def whole(cls, images: Tensor, labels: Tensor) -> Split:
        """All images of a published set, in its order."""
        images = images.contiguous(memory_format=torch.channels_last)
        return cls(images, labels.long(), torch.arange(len(images)))

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def device(self) -> torch.device:
        """Where their batches go."""
        return self.labels.device

    @property
    def resident(self) -> bool:
        """Whether the images themselves are there."""
        return self.images.device == self.labels.device

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), in that order."""
        images = self.images[rows].contiguous(memory_format=torch.channels_last)
        return Split(images, self.labels[rows], self.index[rows])

    def to(self, device: torch.device | str) -> Split:
        """The same on ``device``. Images that do not fit there (:func:`fits`) stay where they are,
        and batches go there one by one.
        """
        images = self.images.to(device) if fits(self.images, torch.device(device)) else self.images
        return Split(images, self.labels.to(device), self.index.to(device))
