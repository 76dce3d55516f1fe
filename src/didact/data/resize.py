"""Images of another size, for a network that was trained at it."""

from __future__ import annotations

import torch
from torch.nn import functional

from didact.data.split import Split

CHUNK = 1024
"""Images that are turned into floats at a time."""


def resized(split: Split, size: int) -> Split:
    """The images of ``split`` at size x size: bilinear, antialiased where it shrinks, rounded to whole levels.

    Computed on the CPU whatever the images' device, so that a network sees the same pixels wherever it runs.
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
