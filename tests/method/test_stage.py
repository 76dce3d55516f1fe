"""The contract's own arithmetic: where a training is, and how long its stages are."""

from __future__ import annotations

import pytest

from didact.method import Clock


def test_how_far_a_weight_has_risen() -> None:
    def risen(share: float, epoch: int, epochs: int = 240) -> float:
        return Clock(epoch, epochs, 0, 1, epoch).warmup(share)

    assert [risen(1 / 12, epoch) for epoch in (0, 9, 19, 20, 239)] == pytest.approx([0.05, 0.5, 1, 1, 1])
    assert [risen(1 / 12, epoch) for epoch in range(20)] == pytest.approx([n / 20 for n in range(1, 21)])
    assert risen(0.0, 0) == 1
    assert risen(1.0, 119) == 0.5
    assert risen(1 / 12, 0, epochs=3) == 1  # shorter than an epoch
