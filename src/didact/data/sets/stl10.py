"""STL-10: 13,000 labelled colour images of 96x96 pixels in 10 classes, in the published binary
form.

Pixels and labels lie in files of their own. An image is 27,648 bytes: its red, green and blue
plane, each written column by column (MATLAB's order); the reader transposes it. Labels are bytes
from 1. The 100,000 images without labels and the ten folds are left out.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from didact.data.archive import Archive
from didact.data.contract import DataError, Facts
from didact.data.split import Split


class STL10(Archive):
    """The reader: sizes of files and ranges of labels follow from the facts."""

    def read(self) -> tuple[Split, Split, tuple[str, ...]]:
        self.prepare()
        names = self.text("class_names.txt").split()
        if len(names) != self.facts.classes:
            raise DataError(self.wrong("class_names.txt", f"{self.facts.classes} names of classes", f"{len(names)}"))
        return self._split("train"), self._split("test"), tuple(names)

    def fault(self) -> str | None:
        image = math.prod(self.facts.image)
        sizes = {
            f"{split}_{part}.bin": images * record
            for split, images in (("train", self.facts.train), ("test", self.facts.test))
            for part, record in (("X", image), ("y", 1))
        }
        missing = self.missing((*sizes, "class_names.txt"))
        if missing is not None:
            return missing
        for name, size in sizes.items():
            found = (self.path / name).stat().st_size
            if found != size:
                return self.wrong(name, f"{size} bytes", f"{found} bytes")
        return None

    def _split(self, split: str) -> Split:
        labels = np.fromfile(self.path / f"{split}_y.bin", np.uint8)
        beyond = np.flatnonzero((labels < 1) | (labels > self.facts.classes))
        if len(beyond):
            found = f"{labels[beyond[0]]} in record {beyond[0]}"
            raise DataError(self.wrong(f"{split}_y.bin", f"labels 1 to {self.facts.classes}", found))
        pixels = np.fromfile(self.path / f"{split}_X.bin", np.uint8).reshape(-1, *self.facts.image)
        return Split.whole(torch.from_numpy(pixels).transpose(2, 3), torch.from_numpy(labels).long() - 1)


DATA_SET = STL10(
    facts=Facts(
        classes=10,
        image=(3, 96, 96),
        train=5_000,
        test=8_000,
        augment="crop-flip",
        padding=12,  # an eighth of the size, as for CIFAR
        mean=(0.4467, 0.4398, 0.4066),
        std=(0.2603, 0.2566, 0.2713),
        source="Coates, Ng and Lee 2011, https://cs.stanford.edu/~acoates/stl10/; images from ImageNet, no licence stated, "
        "the authors ask to be cited",
    ),
    url="http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    md5="91f7769df0f17e558f3565bffb0c7dfb",
    folder="stl10_binary",
    unwanted=("unlabeled_X.bin",),  # 2.8 GB
)
