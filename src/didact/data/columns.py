"""STL-10 in its published binary form.

Pixels and labels lie in files of their own. An image is 27,648 bytes: its red, green and blue plane, each written column by
column (MATLAB's order), so that it is turned over when it is read. Labels are bytes from 1. The 100,000 images without labels
and the ten folds are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from didact.data.published import Published
from didact.data.source import DataError
from didact.data.split import Split


@dataclass(frozen=True, kw_only=True)
class Columns(Published):
    """What was published.

    Attributes:
        train, test: numbers of images.
        size: pixels on each side of an image.
        classes: number of classes.
    """

    train: int
    test: int
    size: int
    classes: int

    def read(self, root: Path) -> tuple[Split, Split, tuple[str, ...]]:
        self.prepare(root)
        names = self.text(root, "class_names.txt").split()
        if len(names) != self.classes:
            raise DataError(self.wrong(root, "class_names.txt", f"{self.classes} names of classes", f"{len(names)}"))
        return self._split(root, "train"), self._split(root, "test"), tuple(names)

    def fault(self, root: Path) -> str | None:
        image = 3 * self.size**2
        sizes = {
            f"{split}_{part}.bin": images * record
            for split, images in (("train", self.train), ("test", self.test))
            for part, record in (("X", image), ("y", 1))
        }
        missing = self.missing(root, (*sizes, "class_names.txt"))
        if missing is not None:
            return missing
        for name, size in sizes.items():
            found = (root / self.folder / name).stat().st_size
            if found != size:
                return self.wrong(root, name, f"{size} bytes", f"{found} bytes")
        return None

    def training(self, root: Path) -> int:
        return self.train

    def _split(self, root: Path, split: str) -> Split:
        labels = np.fromfile(root / self.folder / f"{split}_y.bin", np.uint8)
        beyond = np.flatnonzero((labels < 1) | (labels > self.classes))
        if len(beyond):
            found = f"{labels[beyond[0]]} in record {beyond[0]}"
            raise DataError(self.wrong(root, f"{split}_y.bin", f"labels 1 to {self.classes}", found))
        pixels = np.fromfile(root / self.folder / f"{split}_X.bin", np.uint8).reshape(-1, 3, self.size, self.size)
        return Split.whole(torch.from_numpy(pixels).transpose(2, 3), torch.from_numpy(labels).long() - 1)


COLUMNS: dict[str, Columns] = {
    "stl10": Columns(
        url="http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        md5="91f7769df0f17e558f3565bffb0c7dfb",
        folder="stl10_binary",
        unwanted=("unlabeled_X.bin",),  # 2.8 GB
        train=5_000,
        test=8_000,
        size=96,
        classes=10,
    ),
}
