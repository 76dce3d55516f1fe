"""Random resized crops: a part of random area and shape, brought to one size (Szegedy et al.: Going
Deeper with Convolutions, CVPR 2015, section 6; the SFTN paper, section 7.2).

Numbers are drawn for an image before its size is known; :func:`boxes` makes places of them. So what
happens to an image does not depend on when, where or in which batch it is decoded.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from didact.data.augment import TURNS, Cropped, Rows, Stored
from didact.data.split import sent
from didact.seeds import stream

AREA = (0.08, 1.0)
"""The area of a crop is drawn evenly between these shares of the image's."""

ASPECT = (3 / 4, 4 / 3)
"""Width over height is drawn between these; its logarithm evenly."""

TRIES = 10
"""So many shapes are drawn; the first that lies in the image is taken, and the largest central one
where none does.
"""

NUMBERS = 2 * TRIES + 2
"""Numbers that decide on a crop: areas and shapes of the tries, top and left."""

UNIT = 2**14
"""Weights of pixels are whole numbers that add up to this. All sums are below 2^24, so exact in
float32 in any order.
"""

AT_ONCE = {"cpu": 2**20, "cuda": 2**26}
"""Values that are held as floats at a time, by kind of device: on a CPU as many as its cache has
room for.
"""

Boxes = Int[Tensor, "b 4"]
Numbers = Float[Tensor, "... numbers"]


@dataclass(frozen=True)
class Crops:
    """What one epoch does to each image, decided before it begins.

    Attributes:
        numbers: float32 from 0 to 1, (n, :data:`NUMBERS`) or (n, renderings, :data:`NUMBERS`).
        flip: whether the crop is mirrored, (n,).
    """

    numbers: Tensor
    flip: Tensor

    def to(self, device: torch.device | str) -> Crops:
        """The same on ``device``."""
        return Crops(sent(self.numbers, device), sent(self.flip, device))

    def of(self, rows: Tensor) -> Crops:
        """The decisions for the images at ``rows``, (b,)."""
        return Crops(self.numbers[rows], self.flip[rows])

    def each(self) -> Crops:
        """The renderings of all images one after another: (n * renderings, ...)."""
        return Crops(self.numbers.flatten(0, 1), self.flip.repeat_interleave(self.numbers.shape[1]))


def draw_crops(images: int, seed: int, epoch: int) -> Crops:
    """The crop and the flip of every image in ``epoch``, on the CPU. Flips are even."""
    random = stream(seed, "augment", epoch)
    numbers = torch.rand(images, NUMBERS, generator=random)
    return Crops(numbers, torch.randint(2, (images,), generator=random).bool())


def draw_crop_rotations(main: Crops, seed: int, epoch: int) -> Crops:
    """The crops of the four rotations, (n, 4, ...): the first is the main rendering's, the others
    have their own.
    """
    own = torch.rand(len(main.flip), TURNS - 1, NUMBERS, generator=stream(seed, "rotations", epoch))
    return Crops(torch.cat([main.numbers[:, None], own], 1), main.flip)


def boxes(
    numbers: Numbers,
    height: int | Tensor,
    width: int | Tensor,
    areas: tuple[float, float] = AREA,
    aspects: tuple[float, float] = ASPECT,
) -> Boxes:
    """Top, left, height and width of the crops that ``numbers`` (b, :data:`NUMBERS`) stand for,
    int64 (b, 4).

    Args:
        height, width: of the images; numbers, or int64 (b,).
        areas: the least and the largest share of the image's area.
        aspects: the least and the largest width over height.
    """
    drawn = numbers.double()
    high = torch.as_tensor(height, device=drawn.device).expand(len(drawn))
    wide = torch.as_tensor(width, device=drawn.device).expand(len(drawn))
    share = areas[0] + (areas[1] - areas[0]) * drawn[:, :TRIES]
    least, most = math.log(aspects[0]), math.log(aspects[1])
    aspect = (least + (most - least) * drawn[:, TRIES : 2 * TRIES]).exp()
    area = share * (high * wide)[:, None]
    tall, broad = (area / aspect).sqrt().round().long(), (area * aspect).sqrt().round().long()
    fits = (tall >= 1) & (tall <= high[:, None]) & (broad >= 1) & (broad <= wide[:, None])
    first = fits.int().argmax(1, keepdim=True)
    central = _largest(high, wide, aspects)
    some = fits.any(1)
    size = torch.stack([tall.gather(1, first)[:, 0], broad.gather(1, first)[:, 0]], 1)
    size = torch.where(some[:, None], size, central)
    room = torch.stack([high, wide], 1) - size
    place = (drawn[:, 2 * TRIES :] * (room + 1)).floor().long().minimum(room)
    return torch.cat([torch.where(some[:, None], place, room // 2), size], 1)


def _largest(high: Tensor, wide: Tensor, aspects: tuple[float, float]) -> Tensor:
    """Height and width of the largest crop of images whose own shape is beyond ``aspects``, (b,
    2).
    """
    aspect = wide / high
    tall = torch.where(aspect < aspects[0], (wide / aspects[0]).round().long(), high)
    broad = torch.where(aspect > aspects[1], (high * aspects[1]).round().long(), wide)
    return torch.stack([tall.minimum(high).clamp(min=1), broad.minimum(wide).clamp(min=1)], 1)


def resized_crops(images: Stored, rows: Rows, crops: Crops, size: int) -> Cropped:
    """Crops of the images at ``rows`` at size x size: bilinear, antialiased where they shrink, then
    mirrored.

    By Pillow on a CPU, which is three times as fast there as :func:`on_device`; both agree within a
    level.

    Args:
        images: uint8, (n, c, h, w), fastest in channels-last order.
        rows: int64, (b,).
        crops: of these images, (b, ...).

    Returns:
        uint8, (b, c, size, size), channels-last.
    """
    if images.device.type == "cpu" and images.shape[1] in MODES:
        return _by_pillow(images, rows, crops, size)
    return on_device(images, rows, crops, size)


MODES = {1: "L", 3: "RGB"}
"""Pillow's names for images with so many channels."""


def _by_pillow(images: Tensor, rows: Tensor, crops: Crops, size: int) -> Tensor:
    """One image at a time, in as many threads as torch has; Pillow lets others work while it
    resizes.
    """
    from PIL import Image

    channels, height, width = images.shape[1:]
    stored = images.permute(0, 2, 3, 1).numpy()
    made = np.empty((len(rows), size, size, channels), np.uint8)
    jobs = zip(rows.tolist(), boxes(crops.numbers, height, width).tolist(), crops.flip.tolist(), strict=True)

    def one(job: tuple[int, tuple[int, list[int], bool]]) -> None:
        at, (row, (top, left, tall, broad), flip) = job
        part = np.ascontiguousarray(stored[row, top : top + tall, left : left + broad])
        picture = Image.frombuffer(MODES[channels], (broad, tall), part, "raw", MODES[channels], 0, 1)
        pixels = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, channels)
        made[at] = pixels[:, ::-1] if flip else pixels

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(one, enumerate(jobs)))
    return torch.from_numpy(made).permute(0, 3, 1, 2)


def on_device(images: Stored, rows: Rows, crops: Crops, size: int) -> Cropped:
    """The same as :func:`resized_crops`, on any device.

    The sums are whole numbers that float32 holds exactly, so every device gets the same pixels.
    """
    channels, height, width = images.shape[1:]
    made = torch.empty(len(rows), size, size, channels, dtype=torch.uint8, device=images.device)
    step = max(1, AT_ONCE.get(images.device.type, 2**20) // (channels * max(height, size) * max(width, size)))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        where = boxes(crops.numbers[some], height, width)
        across, down = (_Taps.of(where[:, side], where[:, side + 2], (height, width)[side], size) for side in (1, 0))
        across = across.mirrored(crops.flip[some])
        pixels = images.permute(0, 2, 3, 1).index_select(0, rows[some])
        low = down.summed(pixels.flatten(2)).unflatten(2, (width, channels))
        made[some] = across.repeated(size).summed(low.flatten(0, 1)).unflatten(0, (-1, size))
    return made.permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _Taps:
    """Which pixels of a row each new pixel is summed from, and their weights in units of 1 /
    :data:`UNIT`: (b, size, taps).
    """

    pixels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, start: Tensor, length: Tensor, before: int, size: int) -> _Taps:
        """For crops of rows of ``before`` pixels that are brought to ``size`` pixels.

        A triangle as wide as two new pixels, or two old ones where these are larger, cut off at the
        crop.
        """
        first, last = start[:, None, None], (start + length - 1)[:, None, None]
        scale = length.double()[:, None, None] / size
        centre = first + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale
        reach = scale.clamp(min=1)
        taps = torch.arange(math.ceil(2 * max(before / size, 1)), device=start.device)
        pixels = (centre - reach + 0.5).floor().long() + taps
        near = (1 - (pixels + 0.5 - centre).abs() / reach).clamp(min=0)
        near = torch.where((pixels >= first) & (pixels <= last), near, 0)
        weights = (near * (UNIT / near.sum(2, keepdim=True))).round().long()
        rest = UNIT - weights.sum(2, keepdim=True)
        weights.scatter_add_(2, weights.argmax(2, keepdim=True), rest)
        return cls(pixels.clamp(first, last), weights.float())

    def mirrored(self, flip: Tensor) -> _Taps:
        """The same, from right to left for the images where ``flip``."""
        where = flip[:, None, None]
        return _Taps(
            torch.where(where, self.pixels.flip(1), self.pixels), torch.where(where, self.weights.flip(1), self.weights)
        )

    def repeated(self, times: int) -> _Taps:
        """The same for each of so many rows of every image: (b * times, size, taps)."""
        return _Taps(self.pixels.repeat_interleave(times, 0), self.weights.repeat_interleave(times, 0))

    def summed(self, rows: Tensor) -> Tensor:
        """New pixels, uint8 (b, size, k), from old ones, uint8 (b, before, k)."""
        count, before, width = rows.shape
        places = self.pixels + before * torch.arange(count, device=rows.device)[:, None, None]
        flat = rows.reshape(count * before, width)
        total = torch.full((count * places.shape[1], width), UNIT / 2, device=rows.device)
        for tap in range(places.shape[2]):
            taken = flat.index_select(0, places[:, :, tap].flatten())
            total.addcmul_(taken.float(), self.weights[:, :, tap].reshape(-1, 1))
        return total.div_(UNIT).to(torch.uint8).unflatten(0, (count, -1))
