"""Images of another size: a data set at a lower resolution, and images for a network that was
trained at another size.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from didact.data.split import Labelled, Split
from didact.spec import SpecError

CHUNK = 1024
"""Images that are turned into floats at a time."""

SAMPLE = 2_000
"""Images that the statistics are taken from, where images are decoded one by one."""


def smaller(images: Labelled, size: int) -> Labelled:
    """The same images at ``size`` x ``size``. A split is shrunk now; images in files when they are
    taken.
    """
    if isinstance(images, Split):
        return Split(area_averaged(images.images, size), images.labels, images.index)
    return Smaller(images, size)


@dataclass(frozen=True)
class Smaller:
    """Images that are decoded when they are taken, and then shrunk, a chunk at a time."""

    whole: Labelled
    size: int

    @property
    def labels(self) -> Tensor:
        """int64 classes, (n,)."""
        return self.whole.labels

    def take(self, rows: Tensor) -> Split:
        """The images at ``rows`` (int64, (m,)), decoded and shrunk, in that order."""
        parts = [self.whole.take(part) for part in rows.split(CHUNK)]
        pixels = torch.cat([area_averaged(part.images, self.size) for part in parts])
        index = torch.cat([part.index for part in parts])
        return Split(pixels.contiguous(memory_format=torch.channels_last), self.labels[rows], index)


def area_averaged(images: Tensor, size: int) -> Tensor:
    """Images at size x size: a pixel is the mean of the area that it covers, rounded to whole
    levels, halves up.

    The sums are whole numbers below 2^53, so every machine gets the same pixels.

    Args:
        images: uint8, (n, c, h, w), on the CPU.
        size: pixels on each side; at most h and w, which need not be multiples of it.

    Returns:
        uint8, (n, c, size, size), channels-last.
    """
    _, channels, height, width = images.shape
    down, across = _overlaps(height, size), _overlaps(width, size)
    result = torch.empty(len(images), channels, size, size, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    for start in range(0, len(images), CHUNK):
        pixels = images[start : start + CHUNK].contiguous().double()
        sums = ((pixels @ across).transpose(2, 3).contiguous() @ down).transpose(2, 3)
        result[start : start + CHUNK] = sums.add_(height * width // 2).div_(height * width).floor_().to(torch.uint8)
    return result


@functools.lru_cache(maxsize=256)
def _overlaps(before: int, after: int) -> Tensor:
    """How much of each old pixel each new one covers, in units of 1/``after`` of an old one:
    (before, after), float64.
    """
    edges = torch.arange(before + 1, dtype=torch.float64) * after
    starts = torch.arange(after, dtype=torch.float64)[:, None] * before
    covered = torch.minimum(edges[1:], starts + before) - torch.maximum(edges[:-1], starts)
    return covered.clamp(min=0).T.contiguous()


def sample(images: Labelled) -> Split:
    """All images of a split; :data:`SAMPLE` of them, evenly spaced, where images are decoded one by
    one.
    """
    if isinstance(images, Split):
        return images
    count = len(images.labels)
    return images.take(torch.arange(min(SAMPLE, count)) * count // min(SAMPLE, count))


def statistics(images: Labelled) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of a :func:`sample`, on the scale 0 to 1, to four
    digits.

    They do not depend on the images that a setting keeps, so a teacher and a student that keep
    different ones share them.

    Raises:
        SpecError: all images have the same value in a channel, which cannot be normalised.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in sample(images).images.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        mean = float(share @ levels)
        means.append(round(mean, 4))
        stds.append(round(float(share @ (levels - mean).square()) ** 0.5, 4))
    if 0 in stds:
        raise SpecError(f"channel {stds.index(0)} has one value in all training images; leave the channel out")
    return tuple(means), tuple(stds)


def usual_padding(size: int) -> int:
    """Black pixels on every side before a crop: an eighth of the size, as for CIFAR."""
    return (size + 4) // 8


def resized(split: Split, size: int) -> Split:
    """The images of ``split`` at size x size: bilinear, antialiased where it shrinks, rounded to
    whole levels.

    Computed on the CPU whatever the images' device, so that a network sees the same pixels wherever
    it runs.
    """
    if split.images.shape[2:] == (size, size):
        return split
    images = torch.empty(len(split), split.images.shape[1], size, size, dtype=torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    for start in range(0, len(split), CHUNK):
        pixels = split.images[start : start + CHUNK].cpu().float()
        smaller = functional.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
        images[start : start + CHUNK] = smaller.round().clamp(0, 255).to(torch.uint8)
    return Split(images.to(split.images.device), split.labels, split.index)
