"""Random resized crops straight from an image's file: of a JPEG no more pixels are computed than
its crops need.

A JPEG is decoded down to the last row of its crops. It can be decoded at a half, a quarter or an
eighth of its size, which is what averaging would give and takes a part of the time. simplejpeg is
used where it is installed; it gives Pillow's pixels, sooner.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from didact.data.folders.decode import SIDEWAYS, eight_bits, image_size, opened, orientation, upright
from didact.data.folders.jpeg import Head, ended, head

if TYPE_CHECKING:
    from PIL.Image import Image

SHARES = (8, 4, 2)
"""A JPEG is decoded at one of these parts of its height and width."""

GAP = 2
"""What is decoded at a part of its size is still so many times larger than what it becomes: then it
hardly looks otherwise.
"""

Box = Sequence[int]
"""Top, left, height and width."""


@dataclass(frozen=True)
class Photograph:
    """The file of an image, which is read once."""

    path: Path

    @cached_property
    def data(self) -> bytes:
        """The file; nothing where it cannot be read, which is told when it is decoded."""
        with contextlib.suppress(OSError):
            return self.path.read_bytes()
        return b""

    @cached_property
    def head(self) -> Head | None:
        """Of an upright JPEG whose rows can be decoded from the first to a last one; None for all
        others.
        """
        about = head(self.data)
        if about is not None and about.tagged:
            with opened(self.path, io.BytesIO(self.data)) as image:
                return about if orientation(image) <= 1 else None
        return about

    @property
    def size(self) -> list[int] | None:
        """Height and width of the upright image; None where it cannot be read."""
        return [self.head.height, self.head.width] if self.head else image_size(self.path)


def cropped(file: Photograph, boxes: Sequence[Box], flips: Sequence[bool], size: int) -> np.ndarray:
    """Parts of an image at size x size: bilinear, antialiased where they shrink, then mirrored
    where ``flips``.

    Args:
        boxes: of the upright image.

    Returns:
        uint8 (boxes, size, size, 3).

    Raises:
        UnreadableError: it cannot be decoded.
    """
    least = min(min(box[2:]) for box in boxes) // (GAP * size)
    part = next((part for part in SHARES if part <= least), 1)
    decoded = _rows(file, file.head, boxes, size, part) if file.head else _whole(file, part)
    result = np.empty((len(boxes), size, size, 3), np.uint8)
    for at, (box, flip) in enumerate(zip(boxes, flips, strict=True)):
        made = decoded.resized(box, size)
        result[at] = (made.flip(1) if flip else made).numpy()
    return result


@dataclass(frozen=True)
class _Decoded:
    """An image, or its upper rows.

    Attributes:
        pixels: uint8 (h, w, 3).
        scale: how many of them stand for one of the file's, down and across; 1 or less.
    """

    pixels: np.ndarray
    scale: tuple[float, float] = (1.0, 1.0)

    def resized(self, box: Box, size: int) -> torch.Tensor:
        """The part ``box`` at size x size, uint8 (size, size, 3)."""
        top, left, height, width = box
        if self.scale == (1.0, 1.0):
            part = torch.from_numpy(np.ascontiguousarray(self.pixels[top : top + height, left : left + width]))
            made = functional.interpolate(part.permute(2, 0, 1)[None], (size, size), mode="bilinear", antialias=True)
            return made[0].permute(1, 2, 0)
        from PIL import Image as pillow

        down, across = self.scale
        edges = (left * across, top * down, (left + width) * across, (top + height) * down)
        image = pillow.fromarray(self.pixels).resize((size, size), pillow.Resampling.BILINEAR, box=edges)
        return torch.from_numpy(np.array(image))


def _rows(file: Photograph, about: Head, boxes: Sequence[Box], size: int, part: int) -> _Decoded:
    """The image at a part of its size, down to the last row of the boxes."""
    beyond = max(-(-box[2] // size) for box in boxes) + part if part > 1 else 0  # of a part a resize looks beyond its box
    data, rows = ended(file.data, about, max(box[0] + box[2] for box in boxes) + beyond)
    pixels = _simplejpeg(data, -(-rows // part), -(-about.width // part))
    if pixels is None:
        with opened(file.path, io.BytesIO(data)) as image:
            pixels = _by_pillow(image, part)
    return _Decoded(pixels, (-(-about.height // part) / about.height, pixels.shape[1] / about.width))


def _whole(file: Photograph, part: int) -> _Decoded:
    """Any image; a JPEG at a part of its size."""
    with opened(file.path) as image:
        width, height = image.size[::-1] if orientation(image) in SIDEWAYS else image.size
        pixels = _by_pillow(image, part)
    return _Decoded(pixels, (pixels.shape[0] / height, pixels.shape[1] / width))


def _by_pillow(image: Image, part: int) -> np.ndarray:
    """The upright image, at a part of its size where it is a JPEG."""
    if part > 1 and image.format == "JPEG":
        image.draft(None, (image.width // part, image.height // part))
    return np.array(eight_bits(upright(image)))


def _simplejpeg(data: bytes, height: int, width: int) -> np.ndarray | None:
    """The JPEG decoded by simplejpeg at the smallest part of its size with so many rows and
    columns; None where simplejpeg is not installed, or does not decode it.
    """
    try:
        import simplejpeg  # type: ignore[import-not-found]
    except ImportError:
        return None
    try:
        return simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, strict=False)
    except ValueError:
        return None  # Pillow describes better what is wrong
