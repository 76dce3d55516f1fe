"""Augmentation of whole batches on the device: pixels stay uint8 until the last moment.

A crop and a flip are one gather of whole pixels by flat positions, out of the batch's own padded
images. Other ways were slower on a CPU (3x32x32, batches of 512): windows by ``unfold`` and a
``where`` 1.6 times, a mask instead of padding and ``gather`` on channel planes 1.9 times, advanced
indexing 2.4 times. Keeping the whole data set padded is 1.1 times as fast for 1.6 times the memory.
benchmarks/augment.py compares with a loop over images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from didact.data.contract import Augment
from didact.data.reused import Reused
from didact.data.split import sent
from didact.seeds import stream
from didact.spec import SpecError, nearest
from didact.tensors import Images, Pixels

TURNS = 4

AT_ONCE = 2**18
"""Values that a CPU normalises at a time, as many as its cache has room for."""

Stored = UInt8[Tensor, "n c h w"]
Rows = Int[Tensor, "b"]
Cropped = UInt8[Tensor, "b c y x"]
Channels = Float[Tensor, "c"]


@dataclass(frozen=True)
class Draws:
    """What one epoch does to each image, decided before it begins; all int64 or bool on one device.

    Attributes:
        dy, dx: top left corner of the crop within the padded image: (n,) or (n, renderings).
        flip: whether the crop is mirrored, (n,).
    """

    dy: Tensor
    dx: Tensor
    flip: Tensor

    def to(self, device: torch.device | str) -> Draws:
        """The same on ``device``."""
        return Draws(sent(self.dy, device), sent(self.dx, device), sent(self.flip, device))

    def of(self, rows: Tensor) -> Draws:
        """The decisions for the images at ``rows``, (b,)."""
        return Draws(self.dy[rows], self.dx[rows], self.flip[rows])

    def each(self) -> Draws:
        """The renderings of all images one after another: (n * renderings,)."""
        return Draws(self.dy.flatten(), self.dx.flatten(), self.flip.repeat_interleave(self.dy.shape[1]))


def draw(images: int, augment: Augment, padding: int, seed: int, epoch: int, spare: int = 0) -> Draws:
    """The crop and the flip of every image in ``epoch``, on the CPU. Offsets are uniform, flips are
    even.

    Args:
        spare: pixels by which an image is wider than its crop.
    """
    random = stream(seed, "augment", epoch)
    dy, dx = torch.randint(2 * padding + spare + 1, (2, images), generator=random).unbind()
    flip = torch.randint(2, (images,), generator=random).bool()
    return Draws(dy, dx, flip if augment == "crop-flip" else torch.zeros_like(flip))


def draw_rotations(main: Draws, padding: int, seed: int, epoch: int, spare: int = 0) -> Draws:
    """The crops of the four rotations, (n, 4): the first column is the main rendering's, the others
    have their own.
    """
    random = stream(seed, "rotations", epoch)
    own = torch.randint(2 * padding + spare + 1, (2, len(main.dy), TURNS - 1), generator=random)
    return Draws(torch.cat([main.dy[:, None], own[0]], 1), torch.cat([main.dx[:, None], own[1]], 1), main.flip)


def crop_flip(
    images: Stored, rows: Rows, dy: Rows, dx: Rows, flip: Tensor, padding: int, size: int | None = None
) -> Cropped:
    """Images at ``rows``, padded with black, cropped at (dy, dx), then mirrored where ``flip``.

    Args:
        images: uint8, (n, c, h, w), fastest in channels-last order.
        rows, dy, dx: int64, (b,); offsets within the padded image.
        flip: bool, (b,).
        padding: black pixels on every side.
        size: height and width of the crop; the image's own by default.

    Returns:
        uint8, (b, c, height, width), channels-last.
    """
    count, height, width = len(rows), size or images.shape[2], size or images.shape[3]
    padded = functional.pad(images.permute(0, 2, 3, 1).index_select(0, rows), (0, 0, *[padding] * 4))
    across = torch.arange(width, device=images.device)
    x = dx[:, None] + torch.where(flip[:, None], width - 1 - across, across)
    y = dy[:, None] + torch.arange(height, device=images.device)
    first = torch.arange(count, device=images.device)[:, None] * padded.shape[1]
    position = ((first + y) * padded.shape[2])[:, :, None] + x[:, None, :]
    pixels = padded.flatten(0, 2).index_select(0, position.flatten())
    return pixels.unflatten(0, (count, height, width)).permute(0, 3, 1, 2)


def turned(pixels: Pixels) -> Pixels:
    """Rows 4i to 4i+3 turned by 0, 90, 180 and 270 degrees, in place.

    As offsets are uniform, a crop that is taken before its turn is the same as one taken afterwards
    (as SSKD does).
    """
    assert pixels.shape[2] == pixels.shape[3], "only square images can be turned by 90 degrees"
    for quarter in range(1, TURNS):
        pixels[quarter::TURNS] = torch.rot90(pixels[quarter::TURNS], quarter, (2, 3))
    return pixels


def normalise(pixels: Pixels, mean: Channels, std: Channels, memory: Reused | None = None) -> Images:
    """``(pixels / 255 - mean) / std`` in float32, channels-last. ``mean`` and ``std``: (c,). On a
    CPU large batches lie in ``memory``.

    A row of an image is treated as one vector: three channels at a time would be four times slower
    on a CPU. The steps are not fused, so that a value does not depend on its place in the batch.
    """
    rows = pixels.permute(0, 2, 3, 1).flatten(2)
    width = pixels.shape[3]
    wide = mean.repeat(width), std.repeat(width)
    step = max(1, AT_ONCE // rows[0].numel()) if rows.device.type == "cpu" and len(rows) else len(rows)
    if len(rows) <= step:
        scaled = rows.float().div_(255).sub_(wide[0]).div_(wide[1])
    else:
        scaled = torch.empty(rows.shape) if memory is None else memory.empty(rows.shape)
        for some, into in zip(rows.split(step), scaled.split(step), strict=True):
            torch.div(some.float().div_(255).sub_(wide[0]), wide[1], out=into)
    return scaled.unflatten(2, (width, -1)).permute(0, 3, 1, 2)


VIEWS = {"rotations": TURNS}
"""The views that a method may read, and how many rows of them an image has: it is turned by 0, 90,
180 and 270 degrees.
"""


def check_views(views: Iterable[str], image: tuple[int, int, int]) -> None:
    """Refuse views that images of the shape ``image``, (c, h, w), cannot have.

    Raises:
        SpecError: an unknown view, or rotations of images that are not square.
    """
    for view in sorted(views):
        if view not in VIEWS:
            raise SpecError(f"unknown view {view!r}{nearest(view, VIEWS)}")
        if view == "rotations" and image[1] != image[2]:
            raise SpecError(
                f"the view 'rotations' turns images by 90 degrees, and these are {image[1]}x{image[2]}; "
                "crop them to squares, or choose a method without this view"
            )
