"""Accuracies that are no better than guessing, and the line about them."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import pytest

from didact.data import Data
from didact.runs.guessing import at_chance, warning
from didact.runs.run import Run

DIGITS = Run(net="resnet8", data=Data(name="digits"))


@pytest.mark.parametrize(
    ("right", "images", "classes", "guesses"),
    [
        (32, 100, 5, False),  # P(X >= 32) = 0.0031
        (27, 100, 5, True),  # 0.0558
        (28, 100, 5, False),  # 0.0342
        (8, 10, 2, True),  # 56 of 1024 cases: 0.0547
        (9, 10, 2, False),  # 11 of 1024: 0.0107
        (0, 10, 10, True),
        (82, 797, 10, True),  # the most frequent digit for every image
    ],
)
def test_worked_values(right: int, images: int, classes: int, guesses: bool) -> None:
    """Against the sum of exact fractions."""
    share = Fraction(1, classes)
    tail = sum(math.comb(images, k) * share**k * (1 - share) ** (images - k) for k in range(right, images + 1))
    assert at_chance(100 * right / images, images, 100 / classes) is guesses is (tail > Fraction(1, 20))


def test_large_test_sets() -> None:
    """Of 10,000 images of ten classes, by scipy.stats.binom: 1,050 or more by 5.02 %, 1,051 or more by 4.69 %."""
    assert at_chance(10.50, 10_000, 10.0) and not at_chance(10.51, 10_000, 10.0)


@pytest.mark.parametrize(("right", "students", "chance"), [(15, 1, False), (15, 2, False), (15, 3, True), (16, 8, False)])
def test_the_best_of_several(right: int, students: int, chance: bool) -> None:
    """Of 20 tosses of a coin, 15 or more heads: 21,700 of 2^20 cases; 16 or more: 6,196."""
    share = sum(math.comb(20, heads) for heads in range(right, 21)) / 2**20
    assert share == {15: 21_700, 16: 6_196}[right] / 2**20
    assert at_chance(100 * right / 20, 20, 50.0, students) is chance is (students * share > 0.05)


def test_extremes() -> None:
    assert at_chance(0.0, 100, 10.0) and at_chance(10.0, 100, 10.0) and not at_chance(60.0, 100, 10.0, 2304)
    assert at_chance(100.0, 50, 100.0)  # all images are of one class
    assert not at_chance(90.0, 50_000, 0.1, tried=1000**1000)  # neither the number nor the probability fits a float


def test_runs_that_guess_are_named_and_counted() -> None:
    runs = [replace(DIGITS, seed=seed) for seed in range(5)]
    assert warning((run, 90.0, 797) for run in runs) is None
    one = warning((run, top1, 797) for run, top1 in zip(runs, [10.3, 90.0, 90.0, 90.0, 90.0], strict=True))
    assert one is not None
    assert f"no better than guessing: {runs[0].label}.{runs[0].digest} (10.30 %); compare nothing" in one
    most = warning((run, 10.0, 797) for run in runs)
    assert most is not None
    assert runs[2].digest in most
    assert runs[3].digest not in most
    assert "and 2 more" in most


def test_the_number_of_images_is_that_of_the_test() -> None:
    """2 % of 100 classes' 10,000 images are no guess; of the 100 images of a part of them they may be."""
    run = replace(DIGITS, data=Data(name="cifar100"))
    assert warning([(run, 2.0, 10_000)]) is None
    assert warning([(run, 2.0, 100)]) is not None
