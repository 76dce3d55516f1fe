"""One image of a file as pixels: red, green and blue, upright, on white, of the size that is
wanted.

Grey images get three equal channels, 16 bits become 8, the first frame of several is taken, what an
image's EXIF data says of its orientation is done, and what is transparent shows white. Colour
profiles are not applied.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from didact.data.resize import area_averaged

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is tried, whatever a file's name ends with. Formats that start other programs, such as EPS,
are not.
"""

SIDEWAYS = (5, 6, 7, 8)
"""Orientations of EXIF in which height and width are exchanged."""


class UnreadableError(ValueError):
    """A file is no image that can be decoded; the message says why, as a sentence about the file
    without its subject."""


def decoded(path: Path, image: tuple[int, int], *, crop: bool) -> np.ndarray:
    """The pixels of the image ``path``, uint8 (height, width, 3).

    Args:
        image: height and width that are wanted.
        crop: cut the central square and bring it to this size: area-averaged where it is larger,
            bilinear where it is smaller. Otherwise the image must have this size.

    Raises:
        UnreadableError: it cannot be decoded, or has another size.
    """
    with opened(path) as found:
        turned = upright(found)
        size = (turned.height, turned.width)
        if not crop and size != image:
            raise UnreadableError(f"is {size[0]}x{size[1]}, the others are {image[0]}x{image[1]}")
        pixels = eight_bits(turned)
        return _square(pixels, image[0]) if crop else np.asarray(pixels)


def image_size(path: Path) -> list[int] | None:
    """Height and width of an upright image, from the head of its file; None where it cannot be
    read.
    """
    try:
        with opened(path) as image:
            size = [image.height, image.width]
            return size[::-1] if orientation(image) in SIDEWAYS else size
    except UnreadableError:
        return None


def read_through(path: Path) -> None:
    """Decode the image ``path``, as small as its format allows.

    Raises:
        UnreadableError: it cannot be decoded.
    """
    with opened(path) as image:
        if image.format == "JPEG":
            image.draft(None, (image.width // 8, image.height // 8))
        eight_bits(upright(image))


@contextmanager
def opened(path: Path, data: BytesIO | None = None) -> Iterator[Image]:
    """The image ``path``, or ``data`` in its place; whatever goes wrong with it inside is an
    :class:`UnreadableError`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF data and of large images, which are decoded all the same
            with Image.open(data or path, formats=FORMATS) as image:
                yield image
    except (UnreadableError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UnreadableError("is no image" if path.stat().st_size else "is empty") from None
    except OSError as error:
        what = f"cannot be read: {error.strerror.lower()}" if error.strerror else f"does not decode: {error}"
        raise UnreadableError(what) from None
    except Exception as error:  # a decoder may fail in any way on what is no image
        raise UnreadableError(f"does not decode: {str(error) or type(error).__name__}") from None


def orientation(image: Image) -> int:
    """What its EXIF data says of how the camera was held: 1 for upright, which also stands for
    none.
    """
    try:
        return int(image.getexif().get(0x0112, 1))
    except (TypeError, ValueError):
        return 1


def upright(image: Image) -> Image:
    """``image`` as the camera was held; itself where it is upright."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image) if orientation(image) > 1 else image


def eight_bits(image: Image) -> Image:
    """Red, green and blue, of 8 bits each, on white; decoded, and ``image`` itself where it is so.

    Raises:
        UnreadableError: its values have no known range.
    """
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableError(
                f"has values from {values.min()} to {values.max()}, more than 16 bits; make it 8 or 16 bits"
            )
        return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UnreadableError("holds floats, which have no known range; make it 8 or 16 bits")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")
    if image.mode != "RGB":
        return image.convert("RGB")
    image.load()
    return image


def _square(image: Image, size: int) -> np.ndarray:
    """The central square of ``image`` at size x size."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    if side < size:
        return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
    if side == size:
        return np.asarray(square)
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None]
    return area_averaged(pixels, size)[0].permute(1, 2, 0).numpy()
