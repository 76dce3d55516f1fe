"""For tests that train: 50 images to test on, since a tiny training would spend most of its time on all of them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def small_test_set(few_digits: None) -> None:
    """Every test of this folder has it."""
