"""Handwritten digits that need no download: scikit-learn's 1,797 real 8x8 images, scaled up to 16x16.

The published values 0..16 are scaled to 0..255 and interpolated bilinearly between pixel centres, so that networks with
three strides still have something to look at. Each class gives 100 images to train on, drawn once by a named stream; the
other 797 are the test set.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from didact.data.split import Split
from didact.seeds import stream

TRAIN_PER_CLASS = 100


def read() -> tuple[Split, Split, tuple[str, ...]]:
    """Training and test images, uint8 (1000, 1, 16, 16) and (797, 1, 16, 16), and the names of the classes."""
    from sklearn.datasets import load_digits

    values, classes = load_digits(return_X_y=True)
    pixels = enlarge(torch.from_numpy(values).float().unflatten(1, (8, 8)))
    labels = torch.from_numpy(classes).long()
    train, test = _rows(labels)
    return Split.whole(pixels[train], labels[train]), Split.whole(pixels[test], labels[test]), tuple("0123456789")


def enlarge(values: Tensor) -> Tensor:
    """(n, 8, 8) values 0..16 as uint8 (n, 1, 16, 16) pixels 0..255.

    All products are multiples of 1/256 below 256, exact in float32, so every machine rounds to the same pixels.
    """
    larger = functional.interpolate(values[:, None], scale_factor=2, mode="bilinear", align_corners=False)
    return (larger * 255 / 16).round().to(torch.uint8)


def _rows(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the published set to train on and to test with, both ascending."""
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(10):
        rows = (labels == label).nonzero().flatten()
        order = torch.randperm(len(rows), generator=stream(0, "digits", label))
        chosen[rows[order[:TRAIN_PER_CLASS]]] = True
    return chosen.nonzero().flatten(), (~chosen).nonzero().flatten()
