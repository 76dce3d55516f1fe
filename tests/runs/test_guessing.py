"""Accuracies that are no better than guessing, and the line about them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from didact.data import Data
from didact.runs.guessing import chance, warning
from didact.runs.run import Run

DIGITS = Run(net="resnet8", data=Data(name="digits"))


def test_chance_by_hand() -> None:
    assert chance(10**9, 10) == pytest.approx(100 * (0.1 + 0.045))
    assert chance(10**9, 2) == pytest.approx(100 * (0.5 + 0.125))
    assert chance(100, 2) == pytest.approx(100 * (0.5 + 3 * 0.05))
    assert chance(10_000, 100) < 2


def test_runs_that_guess_are_named_and_counted() -> None:
    runs = [replace(DIGITS, seed=seed) for seed in range(5)]
    assert warning((run, 90.0) for run in runs) is None
    one = warning(zip(runs, [10.3, 90.0, 90.0, 90.0, 90.0], strict=True))
    assert one is not None
    assert f"no better than guessing: {runs[0].label}.{runs[0].digest} (10.30 %); compare nothing" in one
    most = warning((run, 10.0) for run in runs)
    assert most is not None
    assert runs[2].digest in most
    assert runs[3].digest not in most
    assert "and 2 more" in most
