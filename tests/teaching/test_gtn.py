"""The GTN teacher's loss (the poster's L_CT) against NumPy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from didact.teaching import gtn
from support.branches import drawn, tensors

random = np.random.default_rng(5)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def ce(z: np.ndarray, labels: np.ndarray) -> float:
    top = z.max(1)
    return float((np.log(np.exp(z - top[:, None]).sum(1)) + top - z[np.arange(len(z)), labels]).mean())


def kl(z_from: np.ndarray, z_to: np.ndarray) -> float:
    """From log-probabilities, so that 0 log 0 counts as 0."""
    a, b = (z - z.max(1, keepdims=True) for z in (z_from, z_to))
    ratio = a - np.log(np.exp(a).sum(1, keepdims=True)) - b + np.log(np.exp(b).sum(1, keepdims=True))
    return float((softmax(z_from) * ratio).sum() / len(a))


def reference(zt: np.ndarray, branches: list[np.ndarray], labels: np.ndarray, alpha: float, t: float) -> dict[str, float]:
    return {
        "teacher_ce": ce(zt, labels),
        "student_ce": float(np.mean([ce(z, labels) for z in branches])),
        "student_kl": alpha * t**2 * float(np.mean([kl(zt / t, z / t) for z in branches])),
    }


def test_by_hand() -> None:
    # teacher (1/4, 3/4), students (1/2, 1/2) and (1/4, 3/4), label 1
    far, near = torch.zeros(1, 2).double(), torch.tensor([[0.0, np.log(3.0)]]).double()
    found = gtn.terms(near, [far, near], torch.tensor([1]), alpha=3.0, temperature=1.0)
    assert found["teacher_ce"].item() == pytest.approx(np.log(4 / 3))
    assert found["student_ce"].item() == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    assert found["student_kl"].item() == pytest.approx(3 * (0.75 * np.log(3) - np.log(2)) / 2)
    # at T = 2 the teacher's softened odds are sqrt 3 to 1; T^2 = 4 goes before the KL
    p = np.sqrt(3) / (1 + np.sqrt(3))
    softened = p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))
    other = gtn.terms(near, [far, near], torch.tensor([1]), alpha=0.5, temperature=2.0)
    assert other["student_kl"].item() == pytest.approx(0.5 * 4 * softened / 2)
    assert other["teacher_ce"].item() == found["teacher_ce"].item()  # the cross entropies are at temperature 1
    assert other["student_ce"].item() == found["student_ce"].item()


@pytest.mark.parametrize(("temperature", "alpha"), list(product([1.0, 4.0], [0.5, 1.0, 3.0])))
@pytest.mark.parametrize(("scale", "batch", "count"), [(2.0, 8, 3), (60.0, 8, 3), (2.0, 1, 3), (2.0, 8, 1)])
def test_terms_and_loss(temperature: float, alpha: float, scale: float, batch: int, count: int) -> None:
    zt, branches, labels = drawn(random, scale, batch=batch, count=count)
    expected = reference(zt, branches, labels, alpha, temperature)
    teacher, y, *zr = tensors(zt, labels, *branches)
    found = gtn.terms(teacher, zr, y, alpha, temperature)
    assert {k: v.item() for k, v in found.items()} == pytest.approx(expected, rel=1e-9)
    whole = gtn.loss(teacher, zr, y, alpha=alpha, temperature=temperature)
    assert whole.item() == pytest.approx(sum(expected.values()), rel=1e-9)
    assert whole.dtype == torch.float64


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("count", [1, 3])
def test_gradients_flow_to_the_teacher_and_to_every_student(temperature: float, count: int) -> None:
    zt, branches, labels = drawn(random, 3.0, count=count)
    teacher, y, *zr = tensors(zt, labels, *branches)
    gtn.loss(teacher, zr, y, 0.5, temperature).backward()
    batch, hot = len(zt), np.eye(10)[labels]
    p = softmax(zt / temperature)
    to_teacher = (softmax(zt) - hot) / batch
    for z, own in zip(branches, zr, strict=True):
        q = softmax(z / temperature)
        np.testing.assert_allclose(own.grad, ((softmax(z) - hot) + 0.5 * temperature * (q - p)) / batch / count, atol=1e-12)
        ratio = np.log(p / q)
        to_teacher += 0.5 * temperature * p * (ratio - (p * ratio).sum(1, keepdims=True)) / batch / count
    np.testing.assert_allclose(teacher.grad, to_teacher, atol=1e-12)


def test_gradients_by_differences(slope: Any) -> None:
    zt, branches, labels = drawn(random, 1.0, classes=4, count=2, batch=3)
    teacher, y, *zr = tensors(zt, labels, *branches)
    gtn.loss(teacher, zr, y, 3.0, 2.0).backward()

    def value(z: np.ndarray, first: np.ndarray) -> float:
        return sum(reference(z, [first, branches[1]], labels, 3.0, 2.0).values())

    np.testing.assert_allclose(teacher.grad, slope(lambda z: value(z, branches[0]), zt), atol=1e-8)
    np.testing.assert_allclose(zr[0].grad, slope(lambda z: value(zt, z), branches[0]), atol=1e-8)


def test_the_kl_alone_draws_the_teacher() -> None:
    zt, branches, labels = drawn(random, 1.0)
    teacher, y, *zr = tensors(zt, labels, *branches)
    gtn.terms(teacher, zr, y)["student_kl"].backward()
    assert teacher.grad is not None and teacher.grad.abs().max() > 1e-3


def test_no_weight_on_the_kl_leaves_the_cross_entropies() -> None:
    zt, branches, labels = drawn(random, 1.0)
    teacher, y, *zr = tensors(zt, labels, *branches)
    found = gtn.terms(teacher, zr, y, alpha=0.0)
    assert found["student_kl"].item() == 0
    assert gtn.loss(teacher, zr, y, 0.0).item() == pytest.approx(ce(zt, labels) + np.mean([ce(z, labels) for z in branches]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_logits(dtype: torch.dtype) -> None:
    zt, branches, labels = drawn(random, 60.0)
    teacher, *zr = [torch.tensor(z, dtype=dtype, requires_grad=True) for z in (zt, *branches)]
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        whole = gtn.loss(teacher, zr, torch.tensor(labels), 3.0, 1.0)  # type: ignore[arg-type]
    whole.backward()
    rounded = [z.detach().double().numpy() for z in (teacher, *zr)]
    assert whole.dtype == torch.float32
    assert whole.item() == pytest.approx(sum(reference(rounded[0], rounded[1:], labels, 3.0, 1.0).values()), rel=1e-5)
    assert all(z.grad is not None and z.grad.isfinite().all() for z in (teacher, *zr))


def test_defaults() -> None:
    method = gtn.GTN(pool="tiny")  # type: ignore[arg-type]
    assert (method.alpha, method.temperature, method.paths, method.sampling) == (1, 4, 1, "uniform")
    assert (method.after, method.warmup, method.teaches) == (None, 0, True)
    zt, branches, labels = drawn(random, 1.0)
    teacher, y, *zr = tensors(zt, labels, *branches)
    assert torch.equal(gtn.loss(teacher, zr, y), gtn.loss(teacher, zr, y, 1.0, 4.0))
