"""How training images are shown: which part of them, and whether mirrored. One class for each kind
of crop.

Each draws for an epoch (``draw``; ``turns`` for the four rotations of SSKD) and makes pixels of
stored images (``make``).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from didact.data.augment import TURNS, Draws, crop_flip, draw, draw_rotations, turned
from didact.data.contract import Augment
from didact.data.resized_crop import Crops, draw_crop_rotations, draw_crops, resized_crops
from didact.tensors import Pixels


@dataclass(frozen=True)
class Shifted:
    """A crop of stored pixels, unscaled, out of an image with a black border.

    Attributes:
        augment: "crop-flip", "crop" or "none": the whole image, or its centre.
        padding: black pixels on every side.
        spare: pixels by which an image is larger than its crop.
        size: of the crop; None for the image's own.
    """

    augment: Augment
    padding: int
    spare: int
    size: int | None

    def draw(self, images: int, seed: int, epoch: int) -> Draws:
        """The crop and the flip of every image in ``epoch``, on the CPU."""
        if self.augment != "none":
            return draw(images, self.augment, self.padding, seed, epoch, self.spare)
        still = draw(images, self.augment, 0, seed, epoch)
        return Draws(still.dy + self.spare // 2, still.dx + self.spare // 2, still.flip)

    def turns(self, main: Draws, seed: int, epoch: int) -> Draws:
        """The crops of the four rotations of every image."""
        if self.augment != "none":
            return draw_rotations(main, self.padding, seed, epoch, self.spare)
        return Draws(main.dy[:, None].repeat(1, TURNS), main.dx[:, None].repeat(1, TURNS), main.flip)

    def make(self, images: Tensor, rows: Tensor, now: Draws) -> Pixels:
        """The images at ``rows`` as drawn for them."""
        return crop_flip(images, rows, now.dy, now.dx, now.flip, self.padding, self.size)


@dataclass(frozen=True)
class Resized:
    """A crop of random area and shape, brought to ``size`` pixels on each side."""

    size: int

    def draw(self, images: int, seed: int, epoch: int) -> Crops:
        """The crop and the flip of every image in ``epoch``, on the CPU."""
        return draw_crops(images, seed, epoch)

    def turns(self, main: Crops, seed: int, epoch: int) -> Crops:
        """The crops of the four rotations of every image."""
        return draw_crop_rotations(main, seed, epoch)

    def make(self, images: Tensor, rows: Tensor, now: Crops) -> Pixels:
        """The images at ``rows`` as drawn for them."""
        return resized_crops(images, rows, now, self.size)


Shown = Shifted | Resized
Drawn = Draws | Crops


def rotations(shown: Shown, images: Tensor, rows: Tensor, now: Drawn) -> Pixels:
    """Each image turned by 0, 90, 180 and 270 degrees: (4b, c, h, w), rows 4i to 4i+3 of image i,
    channels-last.

    One flip for all four, a crop for each (as SSKD does).
    """
    return turned(shown.make(images, rows.repeat_interleave(TURNS), now.each()))  # type: ignore[arg-type]
