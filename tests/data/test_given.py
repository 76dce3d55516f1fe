"""What a user gives for a data set of their own: every fault is named with its remedy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from didact.data import ImageSet, Split
from didact.spec import SpecError

PIXELS = np.arange(6 * 3 * 4 * 4, dtype=np.uint8).reshape(6, 3, 4, 4)
LABELS = np.array([0, 1, 2, 0, 1, 2])
GOOD = (PIXELS, LABELS)


def refused(message: str, train: Any = GOOD, test: Any = GOOD, **facts: Any) -> None:
    with pytest.raises(SpecError) as error:
        ImageSet(train, test, **facts)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (
            (PIXELS / 255, LABELS),
            "train: images of the type uint8, 0 to 255, found float64; for 0 to 1, scale and round them",
        ),
        ((torch.zeros(6, 3, 4, 4), LABELS), "train: images of the type uint8, 0 to 255, found float32"),
        ((PIXELS[:, 0], LABELS), "found (6, 4, 4); add the channel: images[:, None]"),
        ((PIXELS[0, 0, 0], LABELS), "of the shape (n, channels, height, width), found (4,)"),
        ((np.zeros((6, 32, 32, 3), np.uint8), LABELS), "found (6, 32, 32, 3); move the channels first"),
        (([*PIXELS[:5], PIXELS[0, :, :2]], LABELS), "train: images of one shape; resize or crop them first"),
        ((PIXELS, LABELS[:5]), "train: one label for each image, found 6 images and 5 labels"),
        ((PIXELS[:0], LABELS[:0]), "train: at least one image, found none"),
        ((PIXELS, LABELS / 1), "train: labels are whole numbers of the shape (n,), found float64"),
        ((PIXELS, np.eye(6, dtype=int)), "of the shape (6, 6); one-hot labels become numbers by argmax(1)"),
        ((PIXELS, LABELS - 1), "train: labels from 0, found -1 at position 0"),
        ((PIXELS, np.uint64(2**63) + LABELS.astype(np.uint64)), "train: labels count classes from 0, found 922337203685477"),
        ((PIXELS, LABELS * 0), "train: at least two classes, found 1"),
        ((PIXELS, LABELS * 2), "train: an image of every class, found none of class 1"),
        (PIXELS, "train: a pair (images, labels), found ndarray"),
    ],
)
def test_faults_of_training_images(train: Any, message: str) -> None:
    refused(message, train)


def test_faults_of_test_images() -> None:
    refused("test: label 3 at position 5, but training has the classes 0 to 2", test=(PIXELS, [0, 1, 2, 0, 1, 3]))
    refused("train, test: images of one shape, found (3, 4, 4) and (3, 2, 4)", test=(PIXELS[:, :, :2], LABELS))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"names": ["a", "b"]}, "train: label 2 at position 2, but names has 2 names, and needs one for each"),
        ({"names": ["a"]}, "train: label 1 at position 1, but names has 1 name, and needs one for each class"),
        ({"names": ["a", "b", "c", "d"]}, "train: an image of every class, found none of class 3 ('d')"),
        ({"names": ["a", "b", "a"]}, "names: a list of texts, one a class, all different, found ['a', 'b', 'a']"),
        ({"names": "abc"}, "names: a list of texts, one a class, all different, found 'abc'"),
        ({"mean": [0.5]}, "mean: a number for each of 3 channels, from 0 to 1"),
        ({"std": [64.0, 64.0, 64.0]}, "std: a number for each of 3 channels, above 0 to 1"),
        ({"padding": 5}, "padding: a whole number from 0 to 4, found 5"),
    ],
)
def test_faults_of_facts(facts: dict[str, Any], message: str) -> None:
    refused(message, **facts)


def test_a_channel_of_one_value() -> None:
    refused("channel 0 has one value in all training images", (PIXELS * 0, LABELS))


class Decoded:
    """Images that come when they are taken."""

    labels = torch.tensor(LABELS)

    def take(self, rows: torch.Tensor) -> Split:
        return Split(torch.tensor(PIXELS)[rows], self.labels[rows], rows)


def test_what_a_reader_returns_is_checked() -> None:
    class Failing(Decoded):
        def take(self, rows: torch.Tensor) -> Split:
            raise OSError("no disk")

    class Short(Decoded):
        def take(self, rows: torch.Tensor) -> Split:
            return super().take(rows[:-1])

    class Other(Decoded):
        def take(self, rows: torch.Tensor) -> Split:
            return replace(super().take(rows), labels=self.labels[rows] + 1)

    class Tensors(Decoded):
        def take(self, rows: torch.Tensor) -> Any:
            return super().take(rows).images

    assert ImageSet(Decoded(), Decoded()).facts == ImageSet(GOOD, GOOD).facts
    refused("train: Failing.take fails when images are taken: OSError: no disk (test_given.py:", Failing(), GOOD)
    refused("train: Short.take should return images of the shape", Short(), GOOD)
    refused("test: Other.take should return the labels at the rows that it is given, found others", GOOD, Other())
    refused("train: Tensors.take should return a didact.data.Split, found Tensor", Tensors(), GOOD)
