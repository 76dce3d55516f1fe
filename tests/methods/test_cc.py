"""CC against NumPy: errors on neighbouring samples, and correlation matrices."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Any

import numpy as np
import pytest
import torch

from didact.method import Clock, Method, Pair, StepContext
from didact.methods import cc
from didact.seeds import seeded, stream
from didact.spec import SpecError, choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(8)


def reference(es: np.ndarray, et: np.ndarray) -> float:
    delta = np.abs(es - et)
    pairs = [(delta[i] * delta[i + 1]).sum() for i in range(len(delta) - 1)]
    return float(np.mean(pairs)) if pairs else 0.0


def matrix(x: np.ndarray, kernel: str, unit: bool) -> np.ndarray:
    if unit:
        x = x / np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), 1e-12)
    products = np.array([[a @ b for b in x] for a in x])
    if kernel == "bilinear":
        return products
    return exp(-0.8) * (1 + 0.8 * products + 0.8**2 / 2 * products**2)


def matrix_distance(es: np.ndarray, et: np.ndarray, kernel: str, unit: bool) -> float:
    return float(np.sqrt(((matrix(es, kernel, unit) - matrix(et, kernel, unit)) ** 2).sum()) / len(es) ** 2)


def test_cc_by_hand() -> None:
    # differences (1, 2), (3, 0), (1, 1): 3 + 0 and 3 + 0, mean 3
    es, et = torch.tensor([[1.0, -2.0], [0.0, 5.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [3.0, 5.0], [2.0, 0.0]])
    assert cc.loss(es, et).item() == 3
    assert cc.loss(es, es).item() == 0
    assert cc.loss(es[[1, 0, 2]], et[[1, 0, 2]]).item() == (3 + 3) / 2
    assert cc.loss(es[[0, 2, 1]], et[[0, 2, 1]]).item() == (3 + 3) / 2


def test_matrix_distance_by_hand() -> None:
    # identity against twice the identity, of two samples: sqrt(2) / 4
    es, et = torch.eye(2, dtype=torch.float64), 2**0.5 * torch.eye(2, dtype=torch.float64)
    assert cc.matrix_distance(es, et).item() == pytest.approx(2**0.5 / 4)
    # off the diagonal both are exp(-0.8); on it 1 + 0.8 + 0.32 against 1 + 1.6 + 1.28
    found = cc.matrix_distance(es, et, "gaussian").item()
    assert found == pytest.approx(exp(-0.8) * (3.88 - 2.12) * 2**0.5 / 4)
    assert cc.matrix_distance(es, et, "gaussian", unit=True).item() == pytest.approx(0)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_cc_and_its_gradients(slope: Callable, batch: int) -> None:
    es, et = random.normal(size=(batch, 3)), random.normal(size=(batch, 3))
    own, teacher = torch.tensor(es, requires_grad=True), torch.tensor(et, requires_grad=True)
    value = cc.loss(own, teacher)
    value.backward()
    assert value.item() == pytest.approx(reference(es, et), rel=1e-10)
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, et), es), atol=1e-8)
    np.testing.assert_allclose(teacher.grad, slope(lambda x: reference(es, x), et), atol=1e-8)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("kernel", ["bilinear", "gaussian"])
@pytest.mark.parametrize("unit", [False, True])
def test_matrix_distance_and_its_gradients(slope: Callable, batch: int, kernel: Any, unit: bool) -> None:
    es, et = random.normal(size=(batch, 3)), random.normal(size=(batch, 3))
    own, teacher = torch.tensor(es, requires_grad=True), torch.tensor(et, requires_grad=True)
    value = cc.matrix_distance(own, teacher, kernel, unit)
    value.backward()
    assert value.item() == pytest.approx(matrix_distance(es, et, kernel, unit), rel=1e-9, abs=1e-15)
    if batch == 1 and unit:
        return  # both 1, up to rounding: a kink
    np.testing.assert_allclose(own.grad, slope(lambda x: matrix_distance(x, et, kernel, unit), es), atol=1e-8)
    np.testing.assert_allclose(teacher.grad, slope(lambda x: matrix_distance(es, x, kernel, unit), et), atol=1e-8)


def test_the_gaussian_expansion_tends_to_the_gaussian_kernel() -> None:
    x = random.normal(size=(4, 3))
    x /= np.sqrt((x**2).sum(1, keepdims=True))
    kernel = np.exp(-0.4 * ((x[:, None] - x[None]) ** 2).sum(2))
    np.testing.assert_allclose(cc.expansion(torch.tensor(x @ x.T), 0.4, 12), kernel, rtol=1e-8)


@pytest.mark.parametrize("kernel", ["bilinear", "gaussian"])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_equal_matrices_have_no_gradient(kernel: Any, unit: bool, fill: float) -> None:
    own = torch.full((4, 3), fill, requires_grad=True)
    value = cc.matrix_distance(own, torch.full((4, 3), fill), kernel, unit)
    value.backward()
    assert value.item() == 0
    assert own.grad is not None and not own.grad.any()


def test_equal_embeddings_have_no_gradient() -> None:
    own = torch.ones(4, 3, requires_grad=True)
    cc.loss(own, torch.ones(4, 3)).backward()
    assert own.grad is not None and not own.grad.any()


@pytest.mark.parametrize("kind", ["neighbours", "bilinear", "gaussian"])
@pytest.mark.parametrize("unit", [False, True])
def test_terms_are_of_trained_embeddings(pair: Callable[..., Pair], kind: Any, unit: bool) -> None:
    two = pair("wrn_16_2", "resnet8", size=32)
    method = cc.CC(beta=3.0, kind=kind, unit=unit, width=7)
    with seeded(0, "cc"):
        extras = method.build(two).double()
    vs, vt = random.normal(size=(4, 64)), random.normal(size=(4, 128))
    batch = Batch(torch.zeros(4, 3, 32, 32), torch.arange(4), torch.arange(4))
    own, teacher = Outputs(logits=torch.zeros(4, 5), pooled=torch.tensor(vs)), Outputs(pooled=torch.tensor(vt))
    found = method.terms(extras, StepContext(batch, own, teacher, Clock(0, 1, 0, 1, 0), stream(0)))
    weights = {k: v.detach().numpy() for k, v in extras.named_parameters()}
    assert set(weights) == {"own.weight", "own.bias", "teacher.weight", "teacher.bias"}
    es, et = (v @ weights[f"{k}.weight"].T + weights[f"{k}.bias"] for k, v in (("own", vs), ("teacher", vt)))
    assert es.shape == et.shape == (4, 7)
    expected = reference(es, et) if kind == "neighbours" else matrix_distance(es, et, kind, unit)
    assert set(found) == {"ce", "correlation"}
    assert found["correlation"].item() == pytest.approx(3 * expected)
    found["correlation"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in extras.parameters())
    assert extras.own.weight.grad.any() and extras.teacher.weight.grad.any()


def test_published_defaults(pair: Callable[..., Pair]) -> None:
    method = cc.CC()
    assert (method.gamma, method.alpha, method.beta, method.kind, method.unit) == (1, 0, 0.02, "neighbours", False)
    assert {len(p) for p in method.build(pair("resnet20", "resnet8")).parameters()} == {128}
    with pytest.raises(SpecError, match="kind"):
        choose(Method, {"name": "cc", "kind": "cubic"})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    es, et = torch.randn(6, 8).to(dtype), torch.randn(6, 8).to(dtype)
    for formula in (cc.loss, cc.matrix_distance, lambda a, b: cc.matrix_distance(a, b, "gaussian", True)):
        with torch.autocast("cpu", torch.bfloat16):
            found = formula(es, et)
        assert found.dtype == torch.float32 and torch.equal(found, formula(es.float(), et.float()))
