"""The shared formulas on logits against NumPy in float64, written out here from their definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from didact.losses import (
    attention_map,
    cross_entropy,
    divergences,
    in_float32,
    softened_kl,
    standardised,
    task,
    varies,
)
from didact.methods.kd import KD
from didact.tensors import Outputs

random = np.random.default_rng(0)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def kl(z_from: np.ndarray, z_to: np.ndarray, temperature: float) -> float:
    """Sum over classes of p log(p / q) from ratios of exponentials; 0 log 0 = 0."""
    p, q = softmax(z_from / temperature), softmax(z_to / temperature)
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum() / len(p))


def tensor(x: Any, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(x, dtype=dtype)


def test_cross_entropy_by_hand() -> None:
    # p = (1/4, 3/4) for logits (0, ln 3)
    logits = tensor([[0.0, np.log(3.0)], [0.0, np.log(3.0)]])
    assert cross_entropy(logits, torch.tensor([0, 1])).item() == pytest.approx((np.log(4) + np.log(4 / 3)) / 2)


def test_cross_entropy_and_its_gradient() -> None:
    z, labels = random.normal(size=(6, 10)) * 60, random.integers(0, 10, 6)
    one_hot = np.eye(10)[labels]
    shifted = z - z.max(1, keepdims=True)
    expected = (np.log(np.exp(shifted).sum(1)) - (shifted * one_hot).sum(1)).mean()
    own = tensor(z).requires_grad_()
    value = cross_entropy(own, torch.tensor(labels))
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(own.grad, (softmax(z) - one_hot) / 6, atol=1e-14)


def test_softened_kl_by_hand() -> None:
    # (1/2, 1/2) against (1/4, 3/4): ln 2 - ln 3 / 2; the other way: 3/4 ln 3 - ln 2
    a, b = tensor([[0.0, 0.0]]), tensor([[0.0, np.log(3.0)]])
    assert softened_kl(a, b).item() == pytest.approx(np.log(2) - np.log(3) / 2)
    assert softened_kl(b, a).item() == pytest.approx(0.75 * np.log(3) - np.log(2))
    assert softened_kl(4 * a, 4 * b, 4.0).item() == pytest.approx(np.log(2) - np.log(3) / 2)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("scale", [1.0, 5.0])
@pytest.mark.parametrize("batch", [1, 7])
def test_softened_kl_and_both_gradients(temperature: float, scale: float, batch: int) -> None:
    za, zb = random.normal(size=(2, batch, 10)) * scale
    a, b = tensor(za).requires_grad_(), tensor(zb).requires_grad_()
    value = softened_kl(a, b, temperature)
    value.backward()
    p, q = softmax(za / temperature), softmax(zb / temperature)
    log_ratio = np.log(p / q)
    assert value.item() == pytest.approx(kl(za, zb, temperature), rel=1e-9)
    np.testing.assert_allclose(b.grad, (q - p) / temperature / batch, atol=1e-12)
    to_a = p * (log_ratio - (p * log_ratio).sum(1, keepdims=True)) / temperature / batch
    np.testing.assert_allclose(a.grad, to_a, atol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softened_kl_of_extreme_logits(temperature: float, dtype: torch.dtype) -> None:
    za, zb = (random.normal(size=(2, 8, 10)) * 60).astype(np.float32)
    a, b = tensor(za, dtype).requires_grad_(), tensor(zb, dtype).requires_grad_()
    assert (softmax(za.astype(np.float32)) == 0).any() or temperature > 1  # that is what makes the case hard
    value = softened_kl(a, b, temperature)
    value.backward()
    wide = za.astype(np.float64), zb.astype(np.float64)
    assert value.item() == pytest.approx(kl(*wide, temperature), rel=1e-5)
    assert value.dtype == dtype
    assert a.grad is not None and a.grad.isfinite().all()
    q, p = softmax(wide[1] / temperature), softmax(wide[0] / temperature)
    np.testing.assert_allclose(b.grad, (q - p) / temperature / 8, atol=1e-6)


@given(st.integers(1, 5), st.integers(2, 12), st.floats(0.5, 8), st.integers(0, 2**31))
def test_kl_is_a_divergence(batch: int, classes: int, temperature: float, seed: int) -> None:
    a, b = torch.randn(2, batch, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert softened_kl(a, a, temperature).item() == pytest.approx(0, abs=1e-15)
    assert softened_kl(a, b, temperature).item() > 0
    assert softened_kl(a + 3, b - 5, temperature).item() == pytest.approx(softened_kl(a, b, temperature).item(), rel=1e-9)


def test_standardised_by_hand() -> None:
    # mean 2, unbiased deviation 1; then mean 0, deviation sqrt(8)
    found = standardised(tensor([[1, 2, 3], [4, -4, 0]]))
    np.testing.assert_allclose(found, [[-1, 0, 1], [1, -1, 0]], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 60.0])
def test_standardised_and_its_gradient(slope: Callable, scale: float) -> None:
    z, weight = random.normal(size=(2, 3, 10))
    z = (2 + z) * scale

    def reference(x: np.ndarray) -> np.ndarray:
        return (x - x.mean(1, keepdims=True)) / (x.std(1, ddof=1, keepdims=True) + 1e-7)

    own = tensor(z).requires_grad_()
    found = standardised(own)
    (found * tensor(weight)).sum().backward()
    np.testing.assert_allclose(found.detach(), reference(z), rtol=1e-7, atol=1e-7)
    expected = slope(lambda x: float((reference(x) * weight).sum()), z, step=1e-4 * scale)
    np.testing.assert_allclose(own.grad, expected, rtol=1e-5, atol=1e-6 / scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_constant_row_is_zero_without_gradient(dtype: torch.dtype) -> None:
    z = torch.randn(4, 100).to(dtype)
    z[0], z[1], z[2] = 0, 0.3, -60.1  # the means of the last two are rounded
    z.requires_grad_()
    found = standardised(z)
    (found * torch.randn_like(found)).sum().backward()
    assert not found[:3].any() and found[3].any()
    assert z.grad is not None and z.grad.isfinite().all()
    assert not z.grad[:3].any() and z.grad[3].any()


def test_exact_leaves_autocast_and_widens_only_half_precision() -> None:
    @in_float32
    def types(*xs: Any, last: Any) -> list[torch.dtype]:
        assert not torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        return [x.dtype for x in (*xs, last)]

    kinds = [torch.float16, torch.float32, torch.float64, torch.int64, torch.bfloat16]
    *first, last = (torch.ones(1, dtype=d) for d in kinds)
    with torch.autocast("cpu", torch.bfloat16):
        found = types(*first, last=last)
        assert torch.is_autocast_enabled("cpu")
    assert found == [torch.float32, torch.float32, torch.float64, torch.int64, torch.float32]


def test_task_is_weighted_and_leaves_out_zero_weights() -> None:
    z, zt = random.normal(size=(2, 4, 6))
    labels = torch.tensor([0, 1, 2, 3])
    own, teacher = Outputs(logits=tensor(z)), Outputs(logits=tensor(zt))
    both = task(KD(gamma=0.5, alpha=2.0, temperature=3.0), own, teacher, labels)
    ce = -np.log(softmax(z)[np.arange(4), np.arange(4)]).mean()
    assert both["ce"].item() == pytest.approx(0.5 * ce)
    assert both["kd"].item() == pytest.approx(2 * 9 * kl(zt, z, 3.0))
    assert list(task(KD(alpha=0.0), own, None, labels)) == ["ce"]
    assert list(task(KD(gamma=0.0), own, teacher, labels)) == ["kd"]


def test_task_standardises_for_the_kl_alone() -> None:
    z, zt = random.normal(size=(2, 4, 6))
    labels, scores = (
        torch.tensor([0, 1, 2, 3]),
        [(x - x.mean(1, keepdims=True)) / x.std(1, ddof=1, keepdims=True) for x in (z, zt)],
    )
    both = task(KD(temperature=3.0), Outputs(logits=tensor(z)), Outputs(logits=tensor(zt)), labels, standardise=True)
    assert both["kd"].item() == pytest.approx(0.9 * 9 * kl(scores[1], scores[0], 3.0), rel=1e-6)
    assert both["ce"].item() == pytest.approx(0.1 * cross_entropy(tensor(z), labels).item())


def test_shapes_are_checked_in_the_tests() -> None:
    with pytest.raises(TypeCheckError):
        cross_entropy(torch.randn(4, 5), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TypeCheckError):
        softened_kl(torch.randn(4, 5), torch.randn(4, 6))
    with pytest.raises(TypeCheckError):
        attention_map(torch.randn(4, 5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_probabilities_in_a_divergence(dtype: torch.dtype) -> None:
    """0 log (0 / q) is 0 without gradient, whatever q is; p log (p / 0) is infinite."""
    low = -1e30  # a probability that underflows
    log_p = tensor([-torch.inf, -torch.inf, low, low, np.log(0.5), np.log(0.5)], dtype).requires_grad_()
    log_q = tensor([-torch.inf, np.log(0.3), -torch.inf, 0.0, np.log(0.25), -torch.inf], dtype).requires_grad_()
    found = divergences(log_p, log_q)
    np.testing.assert_allclose(found.detach(), [0, 0, 0, 0, np.log(2) / 2, np.inf], rtol=1e-6)
    found[:5].sum().backward()
    np.testing.assert_allclose(log_q.grad, [0, 0, 0, 0, -0.5, 0], rtol=1e-6)  # type: ignore[arg-type]
    assert log_p.grad is not None  # where the value is infinite there is none
    np.testing.assert_allclose(log_p.grad[:5], [0, 0, 0, 0, (np.log(2) + 1) / 2], rtol=1e-6)
    assert divergences(tensor([np.nan], dtype), tensor([0.0], dtype)).isnan().all()


def test_a_masked_class_changes_no_divergence() -> None:
    """KL of (0.73, 0.27) from (0.27, 0.73), and of (0.05, 0.95) from (0.27, 0.73), by hand: 0.316 on average."""
    zs, zt = tensor([[1.0, 2.0], [0.0, 1.0]]), tensor([[2.0, 1.0], [0.0, 3.0]])
    own, other = (torch.cat([z, torch.full((2, 1), -torch.inf)], 1).requires_grad_() for z in (zs, zt))
    value = softened_kl(other, own)
    assert value.item() == pytest.approx(kl(zt.numpy(), zs.numpy(), 1.0)) == pytest.approx(0.316, abs=5e-4)
    value.backward()
    assert own.grad is not None and other.grad is not None
    expected = (softmax(zs.numpy()) - softmax(zt.numpy())) / 2
    np.testing.assert_allclose(own.grad, np.c_[expected, [0, 0]], atol=1e-12)
    assert other.grad.isfinite().all() and not other.grad[:, 2].any()
    assert (
        softened_kl(torch.cat([zt, zt[:, :1]], 1), own).item() == np.inf
    )  # the student rules out what the teacher does not


def test_what_varies() -> None:
    """More than 16 roundings of the largest value; what is not finite counts, so that nothing is hidden."""
    eps = torch.finfo(torch.float64).eps
    rows = [[1, 1, 1], [1, 1 + 8 * eps, 1], [1, 1 + 32 * eps, 1], [0, 0, 0], [1e-30, 2e-30, 0]]
    rows += [[torch.nan, 1, 1], [torch.inf, 1, 1], [-torch.inf, 1, 1]]
    assert varies(tensor(rows), 1).flatten().tolist() == [False, False, True, False, True, True, True, True]
    assert not standardised(tensor([rows[1]])).any()
    assert standardised(tensor([rows[5]])).isnan().all()


def test_standardised_logits_of_masked_classes() -> None:
    """As if the masked classes were not there, with gradients; nothing is left where one class is."""
    z, weight = torch.tensor(random.normal(size=(2, 3, 4))).unbind(0)
    gaps = torch.full((3, 2), -torch.inf, dtype=torch.float64)
    own, alone = torch.cat([gaps[:, :1], z, gaps[:, 1:]], 1).requires_grad_(), z.clone().requires_grad_()
    found, expected = standardised(own), standardised(alone)
    assert (found[:, [0, 5]] == -torch.inf).all()
    torch.testing.assert_close(found[:, 1:5], expected)
    (found[:, 1:5] * weight).sum().backward()
    (expected * weight).sum().backward()
    assert own.grad is not None and not own.grad[:, [0, 5]].any()
    torch.testing.assert_close(own.grad[:, 1:5], alone.grad)
    one = torch.tensor([[3.0, -torch.inf, -torch.inf]], requires_grad=True)
    softened_kl(standardised(one.detach()), standardised(one)).backward()
    assert standardised(one).tolist() == [[0, -torch.inf, -torch.inf]] and one.grad is not None and not one.grad.any()
