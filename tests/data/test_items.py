"""Torch data sets as images: every kind of item, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from didact.data import ImageSet
from didact.spec import SpecError

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


class Made(Dataset[Any]):
    """Items as a function makes them of a number."""

    def __init__(self, make: Any, count: int = 6) -> None:
        self.make, self.count = make, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Any:
        return self.make(number)


def chw(number: int) -> np.ndarray:
    return PIXELS[number].transpose(2, 0, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: (Image.fromarray(PIXELS[n]), n % 2),
        lambda n: (torch.from_numpy(chw(n).copy()), torch.tensor(n % 2)),
        lambda n: [chw(n), np.int64(n % 2)],
    ],
)
def test_images_of_every_kind(make: Any) -> None:
    train, test, names = ImageSet(Made(make), Made(make, 2), mean=[0.5] * 3, std=[0.2] * 3).read()
    assert torch.equal(train.take(torch.arange(6)).images, torch.from_numpy(PIXELS).permute(0, 3, 1, 2))
    assert (train.labels.tolist(), len(test.labels), names) == ([0, 1] * 3, 2, ("0", "1"))


def test_grey_images_have_one_channel() -> None:
    grey = Made(lambda n: (Image.fromarray(PIXELS[n, :, :, 0]), n % 2))
    assert ImageSet(grey, grey).facts.image == (1, 5, 4)
    flat = Made(lambda n: (PIXELS[n, :, :, 0], n % 2))
    assert ImageSet(flat, grey).facts.image == (1, 5, 4)


def broken(number: int) -> Any:
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: chw(n), r"train: Made\[0\]: a pair \(image, label\), found ndarray"),
        (lambda n: (chw(n) / 255, 0), "uint8, 0 to 255, found float64; leave out what makes floats"),
        (lambda n: (PIXELS[n].repeat(2, 0), 0), r"the shape \(channels, height, width\), found \(10, 4, 3\)"),
        (lambda n: (chw(n)[:, n:], 0), r"Made\[1\]: images of one shape, found \(3, 5, 4\) first and then \(3, 4, 4\)"),
        (lambda n: (chw(n), "rose"), "its label is a whole number, found str"),
        (lambda n: (chw(n), 0.5), "its label is a whole number, found float"),
        (lambda n: (chw(n), -1), "train: labels from 0, found -1"),
        (lambda n: (chw(n), 2**70 * n), r"train: Made\[1\]: labels count classes from 0, found 118059162071741"),
        (lambda n: ("rose.png", 0), "an image of Pillow, an array or a tensor, found str"),
        (broken, r"train: Made\[0\].*the disk is gone"),
    ],
)
def test_items_that_are_wrong(make: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ImageSet(Made(make), Made(make))


def test_no_items() -> None:
    with pytest.raises(SpecError, match="train: at least one image, found none"):
        ImageSet(Made(broken, 0), Made(broken, 0))
