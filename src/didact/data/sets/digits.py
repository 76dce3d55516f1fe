"""Handwritten digits that need no download: scikit-learn's 1,797 real 8x8 images, scaled up to
16x16.

The published values 0..16 are scaled to 0..255 and interpolated bilinearly between pixel centres,
so that an image survives three strides. Each class gives 100 training images, drawn once by a named
stream; the other 797 are the test set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from didact.data.contract import Facts
from didact.data.split import Split
from didact.seeds import stream

TRAIN_PER_CLASS = 100


@dataclass(frozen=True)
class Digits:
    """The images in scikit-learn's package."""

    facts: Facts
    where: ClassVar[str] = "part of scikit-learn"

    def here(self) -> int:
        """How many training images there are: all, as they come with scikit-learn."""
        return self.facts.train

    def prepare(self) -> None:
        """Nothing is downloaded."""

    def read(self) -> tuple[Split, Split, tuple[str, ...]]:
        """Training and test images, uint8 (1000, 1, 16, 16) and (797, 1, 16, 16), and the names of
        the classes.
        """
        pixels, labels = _published()
        train, test = _rows(labels)
        return Split.whole(pixels[train], labels[train]), Split.whole(pixels[test], labels[test]), tuple("0123456789")


@cache
def _published() -> tuple[Tensor, Tensor]:
    """All pixels and labels; kept, since reading scikit-learn's text file takes longer than all the
    rest.
    """
    values, classes = (torch.from_numpy(part) for part in published())
    return enlarge(values.float().unflatten(1, (8, 8))), classes.long()


def published() -> tuple[np.ndarray, np.ndarray]:
    """The values 0..16, (1797, 64), and classes, (1797,), as ``sklearn.datasets.load_digits`` returns
    them.

    Its file is read without it: to import scikit-learn takes a second, longer than many a training
    of digits. Where the file is elsewhere, scikit-learn is asked.
    """
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            rows = np.loadtxt(file, delimiter=",")
            return rows[:, :-1], rows[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return digits.data, digits.target


def enlarge(values: Tensor) -> Tensor:
    """(n, 8, 8) values 0..16 as uint8 (n, 1, 16, 16) pixels 0..255.

    All products are multiples of 1/256 below 256, exact in float32, so every machine rounds to the
    same pixels.
    """
    larger = functional.interpolate(values[:, None], scale_factor=2, mode="bilinear", align_corners=False)
    return (larger * 255 / 16).round().to(torch.uint8)


def _rows(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the published set for training and for the test, both ascending."""
    train = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(10):
        rows = (labels == label).nonzero().flatten()
        order = torch.randperm(len(rows), generator=stream(0, "digits", label))
        train[rows[order[:TRAIN_PER_CLASS]]] = True
    return train.nonzero().flatten(), (~train).nonzero().flatten()


DATA_SET = Digits(
    Facts(
        classes=10,
        image=(1, 16, 16),
        train=1_000,
        test=797,
        augment="crop",  # a mirrored digit is another sign
        padding=2,
        mean=(0.3049,),
        std=(0.3186,),
        source="Alpaydin and Kaynak 1998, UCI Optical Recognition of Handwritten Digits (CC BY 4.0), as in scikit-learn",
    )
)
