"""RKD against NumPy: both parts, equal samples, batches too small to have relations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from didact.method import Clock, Pair, StepContext
from didact.methods import rkd
from didact.seeds import stream
from didact.tensors import Batch, Outputs

random = np.random.default_rng(6)


def smooth(e: np.ndarray) -> float:
    return float(np.where(np.abs(e) < 1, e**2 / 2, np.abs(e) - 0.5).mean())


def distances(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    d = np.array(
        [
            [0.0 if i == j else max(np.sqrt(((p - q) ** 2).sum()), 1e-6) for j, q in enumerate(flat)]
            for i, p in enumerate(flat)
        ]
    )
    return d / d[d > 0].mean()


def cosines(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    away = flat[None] - flat[:, None]
    unit = away / np.maximum(np.sqrt((away**2).sum(2, keepdims=True)), 1e-12)
    return np.array([[[p @ q for q in row] for p in row] for row in unit])


def distance(vs: np.ndarray, vt: np.ndarray) -> float:
    return smooth(distances(vs) - distances(vt))


def angle(vs: np.ndarray, vt: np.ndarray) -> float:
    return smooth(cosines(vs) - cosines(vt))


def test_rkd_by_hand() -> None:
    # on a line at 0, 1, 4: distances 1, 3, 4, of mean 8/3. Equilateral: all 1
    vs = torch.tensor([[0.0], [1.0], [4.0]], dtype=torch.float64)
    vt = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]], dtype=torch.float64)
    errors = np.array([1, 3, 4]) / (8 / 3) - 1
    assert rkd.distance(vs, vt).item() == pytest.approx(2 * (errors**2 / 2).sum() / 9)
    # angles at the ends 0, in the middle 180 degrees, against 60 each
    expected = (2 * 2 * 0.5**2 / 2 + 2 * (1.5 - 0.5)) / 27
    assert rkd.angle(vs, vt).item() == pytest.approx(expected)
    assert rkd.loss(vs, vt).item() == pytest.approx(25 * 2 * (errors**2 / 2).sum() / 9 + 50 * expected)


@pytest.mark.parametrize(
    ("student", "teacher"), [((4, 3), (4, 3)), ((5, 2), (5, 7)), ((4, 2, 2, 2), (4, 3)), ((2, 3), (2, 3))]
)
@pytest.mark.parametrize("activated", [False, True])
def test_rkd_and_its_gradient(slope: Callable, student: tuple[int, ...], teacher: tuple[int, ...], activated: bool) -> None:
    vs, vt = random.normal(size=student), random.normal(size=teacher)
    if activated:
        vs, vt = np.abs(vs) * 9, np.abs(vt)  # scales do not matter

    def reference(x: np.ndarray) -> float:
        return 2 * distance(x, vt) + 3 * angle(x, vt)

    own = torch.tensor(vs, requires_grad=True)
    value = rkd.loss(own, torch.tensor(vt), distance_weight=2.0, angle_weight=3.0)
    value.backward()
    assert rkd.distance(own, torch.tensor(vt)).item() == pytest.approx(distance(vs, vt), rel=1e-10, abs=1e-20)
    assert rkd.angle(own, torch.tensor(vt)).item() == pytest.approx(angle(vs, vt), rel=1e-10, abs=1e-20)
    assert value.item() == pytest.approx(reference(vs), rel=1e-10, abs=1e-20)
    np.testing.assert_allclose(own.grad, slope(reference, vs), atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_samples(dtype: torch.dtype) -> None:
    vs, vt = random.normal(size=(5, 4)), random.normal(size=(5, 3))
    vs[1] = vs[0]
    own = torch.tensor(vs, dtype=dtype, requires_grad=True)
    value = rkd.loss(own, torch.tensor(vt, dtype=dtype))
    value.backward()
    assert value.item() == pytest.approx(25 * distance(vs, vt) + 50 * angle(vs, vt), rel=1e-5)
    assert own.grad is not None and own.grad.isfinite().all() and own.grad.abs().max() < 100
    # nothing tells them apart but what they are compared with: both feel the others
    assert own.grad.any(1).all()


@pytest.mark.parametrize("fill", [0.0, 3.0])
def test_samples_that_are_all_equal_have_no_gradient(fill: float) -> None:
    vs, vt = np.full((4, 3), fill), random.normal(size=(4, 3))
    own = torch.tensor(vs, requires_grad=True)
    value = rkd.loss(own, torch.tensor(vt))
    value.backward()
    assert value.item() == pytest.approx(25 * distance(vs, vt) + 50 * angle(vs, vt))
    assert own.grad is not None and not own.grad.any()
    assert rkd.loss(torch.tensor(vt), torch.tensor(vs)).isfinite()


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_a_batch_of_one_has_no_relations(fill: float) -> None:
    own = torch.full((1, 4), fill, requires_grad=True)
    value = rkd.loss(own, torch.rand(1, 3))
    value.backward()
    assert value.item() == 0
    assert own.grad is not None and not own.grad.any()


def test_nearby_samples_far_from_the_origin_keep_their_distances() -> None:
    # the expansion of the square, in float32, would lose them altogether
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 8.0]])
    assert torch.equal(rkd.distances(x + 4096), rkd.distances(x))


def test_terms(pair: Callable[..., Pair]) -> None:
    two = pair("wrn_16_2", "resnet8", size=32)
    method = rkd.RKD(beta=2.0, distance_weight=3.0, angle_weight=5.0)
    vs, vt = random.normal(size=(4, 64)), random.normal(size=(4, 128))
    batch = Batch(torch.zeros(4, 3, 32, 32), torch.arange(4), torch.arange(4))
    own, teacher = Outputs(logits=torch.zeros(4, 5), pooled=torch.tensor(vs)), Outputs(pooled=torch.tensor(vt))
    found = method.terms(method.build(two), StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    assert set(found) == {"ce", "distance", "angle"}
    assert found["distance"].item() == pytest.approx(6 * distance(vs, vt))
    assert found["angle"].item() == pytest.approx(10 * angle(vs, vt))


def test_published_defaults() -> None:
    method = rkd.RKD()
    assert (method.gamma, method.alpha, method.beta, method.distance_weight, method.angle_weight) == (1, 0, 1, 25, 50)
    vs, vt = torch.randn(4, 3), torch.randn(4, 5)
    assert torch.equal(rkd.loss(vs, vt), 25 * rkd.distance(vs, vt) + 50 * rkd.angle(vs, vt))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    vs, vt = torch.randn(6, 8).to(dtype).requires_grad_(), torch.randn(6, 9).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = rkd.loss(vs, vt)
    found.backward()
    assert found.dtype == torch.float32 and torch.equal(found, rkd.loss(vs.detach().float(), vt.float()))
    assert vs.grad is not None and vs.grad.isfinite().all()
