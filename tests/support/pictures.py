"""Folders of small images that tests write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(path: Path, height: int = 6, width: int = 6, shade: int = 0) -> None:
    """A colour image with noise around ``shade``; its suffix says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name) + shade).integers(0, 100, (height, width, 3))
    Image.fromarray((noise + shade % 150).astype(np.uint8)).save(path)


def classes(root: Path, counts: dict[str, int], **size: int) -> Path:
    """A folder of each class with so many images."""
    for shade, (name, count) in enumerate(counts.items()):
        for number in range(count):
            picture(root / name / f"{number:03}.png", shade=40 * shade + number, **size)
    return root


def photograph(path: Path, height: int, width: int, seed: int = 0, **settings: Any) -> None:
    """A JPEG file of smooth colours; ``settings``: a mode of Pillow, and those of its encoder."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    image.convert(settings.pop("mode", "RGB")).save(path, quality=90, **settings)
