"""Random erasing: of some images a rectangle, drawn at random, shows the mean colour.

Zhong, Zheng, Kang, Li, Yang: Random Erasing Data Augmentation (AAAI 2020), with the ranges of the
paper: 2 to 33 % of the area, height over width from 0.3 to 1 / 0.3, whose logarithm is drawn evenly
as in torchvision. It is the last thing that is done to an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from didact.data.resized_crop import NUMBERS, boxes
from didact.data.split import sent
from didact.seeds import stream
from didact.spec import SpecError
from didact.tensors import Images

AREA = (0.02, 1 / 3)
"""The area of a rectangle is drawn evenly between these shares of the image's."""

ASPECT = (0.3, 1 / 0.3)
"""Its width over its height is drawn between these; the logarithm evenly."""


@dataclass(frozen=True)
class Rectangles:
    """What one epoch erases of each image.

    Attributes:
        chosen: whether something is, (n,).
        numbers: float32 from 0 to 1 that the rectangle is made of, (n,
            :data:`~didact.data.resized_crop.NUMBERS`).
    """

    chosen: Bool[Tensor, " n"]
    numbers: Float[Tensor, "n numbers"]

    def of(self, rows: Tensor) -> Rectangles:
        """The decisions for the images at ``rows``, (b,)."""
        return Rectangles(self.chosen[rows], self.numbers[rows])


def draw_rectangles(images: int, probability: float, seed: int, epoch: int) -> Rectangles:
    """A rectangle for every image in ``epoch``, and whether it is erased, on the CPU."""
    random = stream(seed, "erasing", epoch)
    chosen = torch.rand(images, generator=random) < probability
    return Rectangles(chosen, torch.rand(images, NUMBERS, generator=random))


def check_erasing(views: Iterable[str]) -> None:
    """Refuse views that show images which are not erased.

    Raises:
        SpecError: there are such views.
    """
    further = sorted(views)
    if further:
        raise SpecError(
            f"data.erase: the view {further[0]!r} shows images of which nothing is erased; "
            "leave data.erase out, or choose a method without this view"
        )


def erased(images: Images, rectangles: Rectangles) -> Images:
    """Normalised images with their rectangles at 0, which is the mean colour; changed in place."""
    height, width = images.shape[2:]
    where = sent(boxes(rectangles.numbers, height, width, AREA, ASPECT), images.device)
    top, left, high, wide = where[:, :, None].unbind(1)
    down, across = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows = (down >= top) & (down < top + high) & sent(rectangles.chosen, images.device)[:, None]
    columns = (across >= left) & (across < left + wide)
    return images.masked_fill_((rows[:, :, None] & columns[:, None])[:, None], 0)
