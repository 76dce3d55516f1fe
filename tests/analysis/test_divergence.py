"""KL, agreement and accuracy against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from didact.analysis import divergence

random = np.random.default_rng(6)


def reference(zt: np.ndarray, zs: np.ndarray) -> float:
    total = 0.0
    for t, s in zip(zt, zs, strict=True):
        p, q = (np.exp(z - z.max()) / np.exp(z - z.max()).sum() for z in (t, s))
        total += sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
    return total / len(zt)


def test_kl_by_hand() -> None:
    zt, zs = torch.tensor([[0.0, np.log(3.0)]] * 2), torch.zeros(2, 2)
    assert divergence.kl(zt, zs) == pytest.approx(0.75 * np.log(3) - np.log(2), rel=1e-6)
    assert divergence.kl(zs, zt) == pytest.approx(np.log(2) - np.log(3) / 2, rel=1e-6)
    assert divergence.kl(zt, zt + 5) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("scale", [1.0, 60.0])
@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_kl(scale: float, batch: int, dtype: torch.dtype) -> None:
    zt, zs = (torch.tensor(random.normal(size=(batch, 10)) * scale).to(dtype) for _ in range(2))
    expected = reference(zt.double().numpy(), zs.double().numpy())
    assert divergence.kl(zt, zs) == pytest.approx(expected, rel=1e-10)


def test_kl_of_a_certain_teacher_is_finite() -> None:
    zt, zs = torch.tensor([[0.0, -1e4, -torch.inf]]), torch.tensor([[0.0, 0.0, -torch.inf]])
    assert divergence.kl(zt, zs) == pytest.approx(np.log(2))


def test_agreement_and_accuracy() -> None:
    zt = torch.tensor([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [5.0, 1.0, 2.0]])
    zs = torch.tensor([[9.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 1.0, 0.5]])
    assert divergence.agreement(zt, zs) == 50
    assert divergence.agreement(zt, 10 * zt + 3) == 100
    assert divergence.accuracy(zs, torch.tensor([0, 2, 2, 0])) == 75
    assert divergence.accuracy(zs[:3], torch.tensor([0, 0, 0])) == pytest.approx(100 / 3)


def test_a_student_that_rules_out_what_the_teacher_does_not() -> None:
    zt, zs = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, -torch.inf]])
    assert divergence.kl(zt, zs) == np.inf
    assert divergence.kl(zs, zt) == pytest.approx(np.log(2))


def test_networks_without_answers_are_not_alike_and_not_right() -> None:
    """Nor is their divergence 0: the highest of NaN is no answer."""
    none, some = torch.full((2, 3), torch.nan), torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, -torch.inf]])
    some_right = torch.tensor([0, 1])
    assert np.isnan(divergence.kl(none, some)) and np.isnan(divergence.kl(some, none))
    assert divergence.agreement(none, none) == divergence.agreement(none, some) == 0
    assert divergence.accuracy(none, torch.tensor([0, 0])) == 0
    assert divergence.accuracy(torch.tensor([[torch.inf, 0.0]]), torch.tensor([0])) == 0
    assert divergence.accuracy(some, some_right) == divergence.agreement(some, some) == 100
