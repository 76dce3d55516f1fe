"""Random resized crops straight from an image's file: of a JPEG no more pixels are computed than
its crops need.

A JPEG is decoded down to the last row of its crops. It can be decoded at a half, a quarter or an
eighth of its size, which is what averaging would give and takes a part of the time. simplejpeg is
used where it is installed; it gives Pillow's pixels, sooner.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
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
        result[at] = (made.flip(3) if flip else made)[0].permute(1, 2, 0).numpy()
    return result


@dataclass(frozen=True)
class _Decoded:
    """An image, or its upper rows.

    Attributes:
        pixels: uint8 (h, w, 3), or as Pillow keeps them.
        scale: how many of them stand for one of the file's, down and across; 1 or less.
    """

    pixels: np.ndarray | Image
    scale: tuple[float, float] = (1.0, 1.0)

    def resized(self, box: Box, size: int) -> torch.Tensor:
        """The part ``box`` at size x size, uint8 (1, 3, size, size), channels-last."""
        top, left, height, width = box
        if self.scale == (1.0, 1.0):
            part = torch.from_numpy(self._part(top, left, height, width))[None].permute(0, 3, 1, 2)
            return functional.interpolate(part, (size, size), mode="bilinear", antialias=True)
        from PIL import Image as pillow

        down, across = self.scale
        edges = (left * across, top * down, (left + width) * across, (top + height) * down)
        image = pillow.fromarray(self.pixels) if isinstance(self.pixels, np.ndarray) else self.pixels
        pixels = np.array(image.resize((size, size), pillow.Resampling.BILINEAR, box=edges))
        return torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)

    def _part(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Pixels of a box, uint8 (height, width, 3); no others are copied."""
        if isinstance(self.pixels, np.ndarray):
            return np.ascontiguousarray(self.pixels[top : top + height, left : left + width])
        return np.array(self.pixels.crop((left, top, left + width, top + height)))


def _rows(file: Photograph, about: Head, boxes: Sequence[Box], size: int, part: int) -> _Decoded:
    """The image at a part of its size, down to the last row of the boxes."""
    beyond = max(-(-box[2] // size) for box in boxes) + part if part > 1 else 0  # of a part a resize looks beyond its box
    data, rows = ended(file.data, about, max(box[0] + box[2] for box in boxes) + beyond)
    high, wide = -(-about.height // part), -(-about.width // part)
    pixels = _simplejpeg(data, -(-rows // part), wide)
    if pixels is not None:
        return _Decoded(pixels, (high / about.height, pixels.shape[1] / about.width))
    with opened(file.path, io.BytesIO(data)) as image:
        upper = eight_bits(_drafted(image, part))
    return _Decoded(upper, (high / about.height, upper.width / about.width))


def _whole(file: Photograph, part: int) -> _Decoded:
    """Any image; a JPEG at a part of its size."""
    with opened(file.path) as image:
        width, height = image.size[::-1] if orientation(image) in SIDEWAYS else image.size
        pixels = eight_bits(upright(_drafted(image, part)))
    return _Decoded(pixels, (pixels.height / height, pixels.width / width))


def _drafted(image: Image, part: int) -> Image:
    """The image, which will be decoded at a part of its size where it is a JPEG."""
    if part > 1 and image.format == "JPEG":
        image.draft(None, (image.width // part, image.height // part))
    return image


def ready() -> None:
    """Import what decoding needs, before this process is forked: a copy that imports what a thread is importing at that
    moment, a tracker's for instance, waits for ever for the thread, which it does not have.
    """
    from PIL import Image, ImageOps  # noqa: F401

    Image.init()
    _simplejpeg_reader()


@cache
def _simplejpeg_reader() -> Callable[..., np.ndarray] | None:
    """simplejpeg's function; None where it is not installed. To look for it takes as long as to
    decode a small image.
    """
    try:
        import simplejpeg  # type: ignore[import-not-found]
    except ImportError:
        return None
    return simplejpeg.decode_jpeg


def _simplejpeg(data: bytes, height: int, width: int) -> np.ndarray | None:
    """The JPEG decoded by simplejpeg at the smallest part of its size with so many rows and
    columns; None where simplejpeg is not installed, or does not decode it.
    """
    read = _simplejpeg_reader()
    if read is None:
        return None
    try:
        return read(data, "RGB", min_height=height, min_width=width, strict=False)
    except ValueError:
        return None  # Pillow describes better what is wrong
