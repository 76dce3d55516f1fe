"""Training images that are decoded whenever they are shown, by worker processes, as they would not
fit once decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from didact.data.contract import DataError
from didact.data.folders.decoders import Decoders
from didact.data.folders.folder import Decoded
from didact.data.folders.jobs import Job, Numbers, Room
from didact.data.resized_crop import Crops
from didact.data.split import Split
from didact.spec import clean

WHOLE = ""
"""The name under which workers give images that the caller crops."""

Made = dict[str, Tensor]
"""Pixels by the name of the rendering, uint8 (b, c, h, w) in channels-last order, or (4b, c, h, w)
of four renderings each.
"""


@dataclass(frozen=True)
class Streamed:
    """Training images in files, with the parts of a :class:`Split` that do not need their pixels.

    Attributes:
        source: the images of the folder.
        rows: of ``source``, int64 (n,), ascending, on the CPU.
        labels, index: as of a :class:`Split`, on ``device``.
        size: height and width of the images before a crop.
        device: where the batches go.
    """

    source: Decoded
    rows: Tensor
    labels: Tensor
    index: Tensor
    size: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device | str) -> Streamed:
        """The same, with batches on ``device``."""
        return replace(self, labels=self.labels.to(device), index=self.index.to(device), device=torch.device(device))

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), decoded once and kept, uncropped."""
        return self.source.take(self.rows[rows.cpu()]).to(self.device)

    def batches(
        self, order: Sequence[Tensor], drawn: dict[str, Crops] | None, size: int, decoders: Decoders
    ) -> Iterator[Made]:
        """The images at ``order`` (rows on the CPU, a tensor for each batch). On the CPU a batch
        holds until the next one of these decoders is asked for, which may take its memory.

        Args:
            drawn: by name, what was drawn for every image; without it images come whole, under the
                name :data:`WHOLE`.
            size: height and width of the crops.

        Raises:
            DataError: a file cannot be decoded (any more), or a worker was killed.
        """
        room = Room(_shares(drawn), size if drawn is not None else self.size, max(map(len, order), default=0))
        for pixels, faults in decoders.decode(self._jobs(order, drawn), room):
            if faults:
                named = "; ".join(f"{clean(path)} {reason}" for path, reason in faults)
                raise DataError(f"images cannot be decoded: {named}")
            yield self._made(pixels)

    def _jobs(self, order: Sequence[Tensor], drawn: dict[str, Crops] | None) -> Iterator[Job]:
        for number, rows in enumerate(order):
            files = tuple(self.source.files(self.rows[rows]))
            yield Job(number, files, None if drawn is None else _numbers(drawn, rows))

    def _made(self, pixels: dict[str, np.ndarray]) -> Made:
        """As tensors; for a GPU as copies from which it fetches them while others are decoded."""
        made = {name: torch.from_numpy(one) for name, one in pixels.items()}
        if self.device.type == "cuda":
            made = {name: one.pin_memory() for name, one in made.items()}
        return {name: one.permute(0, 3, 1, 2) for name, one in made.items()}


def _shares(drawn: dict[str, Crops] | None) -> dict[str, int]:
    """How many renderings of each image there are under a name."""
    if drawn is None:
        return {WHOLE: 1}
    return {name: crops.numbers[0].numel() // crops.numbers.shape[-1] for name, crops in drawn.items()}


def _numbers(drawn: dict[str, Crops], rows: Tensor) -> Numbers:
    """What was drawn for the images at ``rows``."""
    some = {name: crops.of(rows) for name, crops in drawn.items()}
    return {name: (crops.numbers.numpy(), crops.flip.numpy()) for name, crops in some.items()}
