"""The SFTN teacher's loss (Eq. 3 to 6) against NumPy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from didact.teaching import sftn
from support.branches import drawn, tensors

random = np.random.default_rng(5)
DIRECTIONS = ("branch||teacher", "teacher||branch")


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def ce(z: np.ndarray, labels: np.ndarray) -> float:
    top = z.max(1)
    return float((np.log(np.exp(z - top[:, None]).sum(1)) + top - z[np.arange(len(z)), labels]).mean())


def kl(z_from: np.ndarray, z_to: np.ndarray) -> float:
    p, q = softmax(z_from), softmax(z_to)
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum() / len(p))


def reference(
    zt: np.ndarray, branches: list[np.ndarray], labels: np.ndarray, weights: tuple[float, float, float], tau: float, how: str
) -> dict[str, float]:
    """Without the factor tau^2."""
    pairs = [(zr, zt) if how == DIRECTIONS[0] else (zt, zr) for zr in branches]
    return {
        "teacher_ce": weights[0] * ce(zt, labels),
        "branch_kl": weights[1] * float(np.mean([kl(a / tau, b / tau) for a, b in pairs])),
        "branch_ce": weights[2] * float(np.mean([ce(zr, labels) for zr in branches])),
    }


def test_by_hand() -> None:
    # teacher (1/4, 3/4), branches (1/2, 1/2) and (1/4, 3/4), label 1
    far, near = torch.zeros(1, 2).double(), torch.tensor([[0.0, np.log(3.0)]]).double()
    found = sftn.terms(near, [far, near], torch.tensor([1]))
    assert found["teacher_ce"].item() == pytest.approx(np.log(4 / 3))
    assert found["branch_kl"].item() == pytest.approx(3 * (np.log(2) - np.log(3) / 2) / 2)
    assert found["branch_ce"].item() == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    other = sftn.terms(near, [far, near], torch.tensor([1]), direction="teacher||branch")
    assert other["branch_kl"].item() == pytest.approx(3 * (0.75 * np.log(3) - np.log(2)) / 2)


@pytest.mark.parametrize("weights", [(1.0, 3.0, 1.0), (1.0, 1.0, 1.0), (0.5, 2.5, 0.0), (2.0, 0.0, 4.0)])
@pytest.mark.parametrize(("tau", "how", "squared"), list(product([1.0, 4.0], DIRECTIONS, [False, True])))
@pytest.mark.parametrize(("scale", "batch"), [(2.0, 8), (60.0, 8), (2.0, 1)])
def test_terms_and_loss(
    weights: tuple[float, float, float], tau: float, how: Any, squared: bool, scale: float, batch: int
) -> None:
    zt, branches, labels = drawn(random, scale, batch=batch)
    expected = reference(zt, branches, labels, weights, tau, how)
    expected["branch_kl"] *= tau**2 if squared else 1
    teacher, y, *zr = tensors(zt, labels, *branches)
    settings: dict[str, Any] = {"temperature": tau, "direction": how, "squared": squared}
    names = ("teacher_weight", "kl_weight", "ce_weight")
    found = sftn.terms(teacher, zr, y, **dict(zip(names, weights, strict=True)), **settings)
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, rel=1e-9)
    whole = sftn.loss(teacher, zr, y, *weights, **settings)
    assert whole.item() == pytest.approx(sum(expected.values()), rel=1e-9)
    assert whole.dtype == torch.float64


@pytest.mark.parametrize("tau", [1.0, 4.0])
@pytest.mark.parametrize("count", [1, 3])
def test_gradients_of_eq_3_flow_to_the_teacher_and_to_every_branch(tau: float, count: int) -> None:
    zt, branches, labels = drawn(random, 3.0, count=count)
    teacher, y, *zr = tensors(zt, labels, *branches)
    sftn.loss(teacher, zr, y, 1.0, 3.0, 1.0, tau).backward()
    batch, hot = len(zt), np.eye(10)[labels]
    q = softmax(zt / tau)
    to_teacher = (softmax(zt) - hot) / batch
    for z, own in zip(branches, zr, strict=True):
        p = softmax(z / tau)
        log_ratio = np.log(p / q)
        kl_own = p * (log_ratio - (p * log_ratio).sum(1, keepdims=True)) / tau / batch
        np.testing.assert_allclose(own.grad, (3 * kl_own + (softmax(z) - hot) / batch) / count, atol=1e-12)
        to_teacher += 3 * (q - p) / tau / batch / count
    np.testing.assert_allclose(teacher.grad, to_teacher, atol=1e-12)


@pytest.mark.parametrize("how", DIRECTIONS)
def test_gradients_of_the_kl_alone(how: Any, slope: Any) -> None:
    zt, branches, labels = drawn(random, 1.0, classes=4, count=2, batch=3)
    teacher, y, *zr = tensors(zt, labels, *branches)
    sftn.terms(teacher, zr, y, kl_weight=1.0, temperature=2.0, direction=how)["branch_kl"].backward()

    def value(z: np.ndarray, first: np.ndarray) -> float:
        return reference(z, [first, branches[1]], labels, (0, 1, 0), 2.0, how)["branch_kl"]

    np.testing.assert_allclose(teacher.grad, slope(lambda z: value(z, branches[0]), zt), atol=1e-8)
    np.testing.assert_allclose(zr[0].grad, slope(lambda z: value(zt, z), branches[0]), atol=1e-8)
    assert teacher.grad is not None and teacher.grad.abs().max() > 1e-3


def test_gradients_of_extreme_logits_are_finite() -> None:
    zt, branches, labels = drawn(random, 60.0)
    teacher, *zr = [torch.tensor(z, dtype=torch.float32, requires_grad=True) for z in (zt, *branches)]
    for how in DIRECTIONS:
        sftn.loss(teacher, zr, torch.tensor(labels), direction=how).backward()  # type: ignore[arg-type]
    assert all(z.grad is not None and z.grad.isfinite().all() for z in (teacher, *zr))


def test_defaults_are_the_papers() -> None:
    method = sftn.SFTN(student="ResNet8x4")
    assert method.student == "resnet8x4"
    assert (method.teacher_weight, method.kl_weight, method.ce_weight, method.temperature) == (1, 3, 1, 1)
    assert (method.direction, method.squared, method.warmup) == ("branch||teacher", False, 0)
    zt, branches, labels = drawn(random, 1.0)
    teacher, y, *zr = tensors(zt, labels, *branches)
    assert torch.equal(sftn.loss(teacher, zr, y), sftn.loss(teacher, zr, y, 1.0, 3.0, 1.0, 1.0, "branch||teacher", False))
