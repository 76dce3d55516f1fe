"""CE and KD against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from didact.method import Method
from didact.methods import ce, kd
from didact.spec import choose

random = np.random.default_rng(1)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def reference(zs: np.ndarray, zt: np.ndarray, temperature: float) -> float:
    p, q = softmax(zt / temperature), softmax(zs / temperature)
    some = p > 0
    return float(temperature**2 * (p[some] * np.log(p[some] / q[some])).sum() / len(p))


def test_kd_by_hand() -> None:
    # the teacher says (1/4, 3/4), the student (1/2, 1/2): KL = 3/4 ln 3 - ln 2
    zs, zt = torch.zeros(1, 2), torch.tensor([[0.0, np.log(3.0)]])
    expected = 0.75 * np.log(3) - np.log(2)
    assert kd.loss(zs, zt, 1.0).item() == pytest.approx(expected, rel=1e-5)
    assert kd.loss(4 * zs, 4 * zt, 4.0).item() == pytest.approx(16 * expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.5, 4.0])
@pytest.mark.parametrize("batch", [1, 8])
def test_kd_and_its_gradient(temperature: float, batch: int) -> None:
    zs, zt = random.normal(size=(2, batch, 100)) * 3
    own = torch.tensor(zs, requires_grad=True)
    value = kd.loss(own, torch.tensor(zt), temperature)
    value.backward()
    assert value.item() == pytest.approx(reference(zs, zt, temperature), rel=1e-10)
    p, q = softmax(zt / temperature), softmax(zs / temperature)
    np.testing.assert_allclose(own.grad, temperature * (q - p) / batch, atol=1e-13)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kd_of_logits_of_scale_60(temperature: float) -> None:
    zs, zt = (random.normal(size=(2, 8, 10)) * 60).astype(np.float32)
    own = torch.tensor(zs, requires_grad=True)
    value = kd.loss(own, torch.tensor(zt), temperature)
    value.backward()
    wide = zs.astype(np.float64), zt.astype(np.float64)
    assert value.item() == pytest.approx(reference(*wide, temperature), rel=1e-5)
    gradient = temperature * (softmax(wide[0] / temperature) - softmax(wide[1] / temperature)) / 8
    np.testing.assert_allclose(own.grad, gradient, atol=1e-5)


def test_kd_defaults_are_repdistillers() -> None:
    method = choose(Method, "kd")
    assert isinstance(method, kd.KD)
    assert (method.gamma, method.alpha, method.temperature) == (0.1, 0.9, 4.0)
    zs, zt = torch.randn(2, 4, 10)
    assert torch.equal(kd.loss(zs, zt), kd.loss(zs, zt, 4.0))


def test_standardised_kd() -> None:
    zs, zt = random.normal(size=(2, 8, 100)) * 3

    def scores(z: np.ndarray) -> np.ndarray:
        return (z - z.mean(1, keepdims=True)) / (z.std(1, ddof=1, keepdims=True) + 1e-7)

    value = kd.loss(torch.tensor(zs), torch.tensor(zt), 2.0, standardise=True)
    assert value.item() == pytest.approx(reference(scores(zs), scores(zt), 2.0), rel=1e-10)
    moved = kd.loss(torch.tensor(3 * zs + 5), torch.tensor(zt / 7 - 2), 2.0, standardise=True)
    assert moved.item() == pytest.approx(value.item(), rel=1e-5)  # neither side's range counts


def test_standardised_kd_of_constant_and_extreme_rows() -> None:
    zs, zt = torch.randn(2, 4, 10) * 60
    zs[0], zt[1] = 7.3, 0.0
    zs.requires_grad_()
    kd.loss(zs, zt, standardise=True).backward()
    assert zs.grad is not None and zs.grad.isfinite().all()
    assert not zs.grad[0].any() and zs.grad[1:].any(1).all()


def test_ls_has_the_settings_of_the_authors_code() -> None:
    method = choose(Method, "kd+ls")
    assert isinstance(method, kd.KD)
    assert (method.gamma, method.alpha, method.temperature, method.standardise) == (0.1, 9.0, 2.0, True)
    assert not choose(Method, "kd").standardise  # type: ignore[attr-defined]


def test_ce() -> None:
    # p = (1/4, 3/4) and (1/2, 1/2)
    zs = torch.tensor([[0.0, np.log(3.0)], [1.0, 1.0]])
    assert ce.loss(zs, torch.tensor([1, 0])).item() == pytest.approx((np.log(4 / 3) + np.log(2)) / 2, rel=1e-5)
    assert ce.loss(torch.tensor([[60.0, -60.0]]), torch.tensor([1])).item() == pytest.approx(120)
