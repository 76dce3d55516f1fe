"""PKT against NumPy, and vectors without a direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from didact.method import Clock, Pair, StepContext
from didact.methods import pkt
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(7)


def reference(vs: np.ndarray, vt: np.ndarray) -> float:
    rows = []
    for v in (vs, vt):
        flat = v.reshape(len(v), -1)
        unit = [x / (np.sqrt((x**2).sum()) + 1e-7) for x in flat]
        shifted = np.array([[(x @ y + 1) / 2 for y in unit] for x in unit])
        rows.append(shifted / shifted.sum(1, keepdims=True))
    q, p = rows
    return float((p * np.log((p + 1e-7) / (q + 1e-7))).mean())


def test_pkt_by_hand() -> None:
    # orthogonal: rows (2/3, 1/3); equal: rows (1/2, 1/2)
    vs, vt = torch.eye(2, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    assert pkt.loss(vs, vt).item() == pytest.approx((np.log(3 / 4) + np.log(3 / 2)) / 4, rel=1e-5)
    assert pkt.loss(vt, vs).item() == pytest.approx((2 / 3 * np.log(4 / 3) + 1 / 3 * np.log(2 / 3)) / 2, rel=1e-5)
    assert pkt.loss(3 * vs, vs).item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    ("student", "teacher"), [((5, 3), (5, 3)), ((4, 2), (4, 9)), ((3, 2, 2, 2), (3, 5)), ((2, 2), (2, 1)), ((1, 3), (1, 2))]
)
@pytest.mark.parametrize("activated", [False, True])
def test_pkt_and_its_gradient(slope: Callable, student: Sequence[int], teacher: Sequence[int], activated: bool) -> None:
    vs, vt = random.normal(size=student), random.normal(size=teacher)
    if activated:
        vs, vt = np.abs(vs), np.abs(vt)
    own = torch.tensor(vs, requires_grad=True)
    value = pkt.loss(own, torch.tensor(vt))
    value.backward()
    assert value.item() == pytest.approx(reference(vs, vt), rel=1e-9, abs=1e-15)
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, vt), vs), atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_all_zero_row(slope: Callable, dtype: torch.dtype) -> None:
    vs, vt = random.normal(size=(4, 3)), random.normal(size=(4, 3))
    vs[2] = 0
    own = torch.tensor(vs, dtype=dtype, requires_grad=True)
    value = pkt.loss(own, torch.tensor(vt, dtype=dtype))
    value.backward()
    assert value.item() == pytest.approx(reference(vs, vt), rel=1e-4)
    assert own.grad is not None
    others = [0, 1, 3]

    def moved(x: np.ndarray) -> float:
        full = vs.copy()
        full[others] = x
        return reference(full, vt)

    np.testing.assert_allclose(own.grad[others], slope(moved, vs[others]), atol=1e-5)
    assert not own.grad[2].any()


def test_all_zero_vectors_are_alike_and_have_no_gradient() -> None:
    own = torch.zeros(4, 3, requires_grad=True)
    value = pkt.loss(own, torch.zeros(4, 5))
    value.backward()
    assert value.item() == 0
    assert own.grad is not None and not own.grad.any()
    assert pkt.loss(own, torch.randn(4, 5)).isfinite()


def test_opposite_vectors_stay_finite() -> None:
    # rounding takes many of these cosines below -1, which two samples do not make up for
    for scale in (1e-3, 1.0, 1e4):
        x = scale * torch.randn(2, 1280)
        x[1] = -x[0]
        own = x.clone().requires_grad_()
        value = pkt.loss(own, torch.randn(2, 64))
        value.backward()
        assert value.isfinite()
        assert own.grad is not None and own.grad.isfinite().all()
        assert (pkt.similarities(x) >= 0).all()


def test_terms_and_published_defaults(pair: Callable[..., Pair]) -> None:
    two = pair("wrn_16_2", "resnet8", size=32)
    method = pkt.PKT()
    assert (method.gamma, method.alpha, method.beta) == (1, 0, 30000)
    vs, vt = random.normal(size=(4, 64)), random.normal(size=(4, 128))
    batch = Batch(torch.zeros(4, 3, 32, 32), torch.arange(4), torch.arange(4))
    own, teacher = Outputs(logits=torch.zeros(4, 5), pooled=torch.tensor(vs)), Outputs(pooled=torch.tensor(vt))
    found = method.terms(method.build(two), StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    assert set(found) == {"ce", "probabilities"}
    assert found["probabilities"].item() == pytest.approx(30000 * reference(vs, vt))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    vs, vt = torch.randn(6, 8).to(dtype), torch.randn(6, 9).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = pkt.loss(vs, vt)
    assert found.dtype == torch.float32 and torch.equal(found, pkt.loss(vs.float(), vt.float()))
