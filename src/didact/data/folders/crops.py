"""Random resized crops straight from an image's file: of a JPEG no more pixels are computed than
its crops need.

A JPEG can be decoded at a half, a quarter or an eighth of its size, which is what averaging would
give and takes a part of the time. simplejpeg is used where it is installed; it gives Pillow's
pixels, sooner.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from didact.data.folders.decode import SIDEWAYS, eight_bits, opened, orientation, upright

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


def cropped(path: Path, boxes: Sequence[Box], flips: Sequence[bool], size: int) -> np.ndarray:
    """Parts of an image at size x size: bilinear, antialiased where they shrink, then mirrored
    where ``flips``.

    Args:
        boxes: of the upright image.

    Returns:
        uint8 (boxes, size, size, 3).

    Raises:
        UnreadableError: it cannot be decoded.
    """
    with opened(path) as image:
        turn = orientation(image)
        full = (image.height, image.width) if turn in SIDEWAYS else (image.width, image.height)
        least = min(min(box[2:]) for box in boxes) // (GAP * size)
        part = next((part for part in SHARES if part <= least), 1) if image.format == "JPEG" else 1
        pixels = _jpeg(path, image, part) if turn <= 1 else None
        if pixels is None:
            if part > 1:
                image.draft(None, (image.width // part, image.height // part))
            pixels = eight_bits(upright(image))
        made = [_resized(pixels, box, full, size) for box in boxes]
    result = np.empty((len(boxes), size, size, 3), np.uint8)
    for at, (one, flip) in enumerate(zip(made, flips, strict=True)):
        result[at] = one[:, ::-1] if flip else one
    return result


def _jpeg(path: Path, image: Image, part: int) -> Image | None:
    """The image decoded by simplejpeg at ``part`` of its size; None where that is not installed, or
    is not for this image.
    """
    if image.format != "JPEG" or image.mode not in ("RGB", "L"):
        return None
    try:
        import simplejpeg  # type: ignore[import-not-found]
    except ImportError:
        return None
    from PIL import Image as pillow

    least = (-(-image.height // part), -(-image.width // part)) if part > 1 else (0, 0)
    try:
        pixels = simplejpeg.decode_jpeg(path.read_bytes(), "RGBX", min_height=least[0], min_width=least[1])
    except ValueError:
        return None  # it refuses what Pillow forgives, or what Pillow describes better
    height, width = pixels.shape[:2]
    return pillow.frombuffer("RGBX", (width, height), pixels, "raw", "RGBX", 0, 1)


def _resized(image: Image, box: Box, full: tuple[int, int], size: int) -> np.ndarray:
    """The part ``box`` of an image, which was decoded at a part of its ``full`` width and height,
    at size x size.
    """
    from PIL.Image import Resampling

    top, left, height, width = box
    if image.size == full:
        part = image.crop((left, top, left + width, top + height)).resize((size, size), Resampling.BILINEAR)
    else:
        across, down = image.width / full[0], image.height / full[1]
        edges = (left * across, top * down, (left + width) * across, (top + height) * down)
        part = image.resize((size, size), Resampling.BILINEAR, box=edges)
    return np.asarray(part if part.mode == "RGB" else part.convert("RGB"))
