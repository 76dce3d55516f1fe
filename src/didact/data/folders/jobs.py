"""What a process that decodes is asked for, a batch at a time, and how it makes it.

It is given the paths of a batch and what was drawn for them. So what happens to an image does not
depend on who decodes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from didact.data.folders.crops import Photograph, cropped
from didact.data.folders.decode import UnreadableError, decoded
from didact.data.folders.slots import renderings, volume
from didact.data.resized_crop import boxes
from didact.spec import clean

NAMED = 5
"""So many files of a batch that cannot be decoded are named."""

Numbers = dict[str, tuple[np.ndarray, np.ndarray]]
"""By name, the numbers and the flips that were drawn for the images of a batch."""

Faults = list[tuple[str, str]]
"""Files that cannot be decoded, and why; :data:`NAMED` at most."""

Place = tuple[list[list[int]], list[bool]]
"""The boxes of an image's renderings, and which of them are mirrored."""


@dataclass(frozen=True)
class Room:
    """The batches that there is room for.

    Attributes:
        shares: by name, renderings of each image.
        size: their height and width.
        images: in the largest batch.
    """

    shares: Mapping[str, int]
    size: int
    images: int

    @property
    def bytes(self) -> int:
        """What the pixels of the largest batch take."""
        return volume(self.images, self.shares, self.size)

    def holds(self, other: Room) -> bool:
        """Whether batches of ``other`` have room in it."""
        return (dict(self.shares), self.size) == (dict(other.shares), other.size) and self.images >= other.images

    def renderings(self, block: np.ndarray, images: int) -> dict[str, np.ndarray]:
        """The pixels of a batch by name, uint8 (images * share, size, size, 3), in ``block``."""
        return renderings(block, images, self.shares, self.size)


@dataclass(frozen=True)
class Job:
    """The number of a batch in its epoch, its files, and what was drawn for them; nothing where
    they come whole.
    """

    number: int
    paths: tuple[str, ...]
    drawn: Numbers | None

    def fill(self, block: np.ndarray, room: Room) -> Faults:
        """Leave the pixels in ``block``. Returns what cannot be decoded."""
        into = room.renderings(block, len(self.paths))
        files = [Photograph(Path(path)) for path in self.paths]
        places = [None] * len(files) if self.drawn is None else _places(files, self.drawn, room.shares)
        faults: Faults = []
        for at, (file, place) in enumerate(zip(files, places, strict=True)):
            try:
                pixels = _pixels(file, place, room.size)
            except UnreadableError as error:
                faults.append((self.paths[at], clean(error)))
                continue
            start = 0
            for name, share in room.shares.items():
                into[name][at * share : (at + 1) * share] = pixels[start : start + share]
                start += share
        return faults[:NAMED]


def _pixels(file: Photograph, place: Place | None, size: int) -> np.ndarray:
    """All renderings of an image, or all of it, uint8 (renderings, size, size, 3)."""
    return decoded(file.path, (size, size), crop=True)[None] if place is None else cropped(file, *place, size)


def _places(files: Sequence[Photograph], drawn: Numbers, shares: Mapping[str, int]) -> list[Place]:
    """Where the renderings of every image lie in it."""
    sizes = torch.tensor([_size(file) for file in files])
    parts, flips = [], []
    for name, (numbers, flip) in drawn.items():
        share = shares[name]
        height, width = sizes.repeat_interleave(share, 0).unbind(1)
        each = torch.from_numpy(numbers).reshape(-1, numbers.shape[-1])
        parts.append(boxes(each, height, width).unflatten(0, (-1, share)))
        flips.append(torch.from_numpy(flip)[:, None].expand(-1, share))
    return list(zip(torch.cat(parts, 1).tolist(), torch.cat(flips, 1).tolist(), strict=True))


def _size(file: Photograph) -> list[int]:
    """Height and width; those of a single pixel where the file cannot be read, which is told when
    it is decoded.
    """
    try:
        return file.size or [1, 1]
    except UnreadableError:
        return [1, 1]
