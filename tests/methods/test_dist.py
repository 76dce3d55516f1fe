"""DIST against NumPy's correlation coefficients, both places of epsilon, and what does not vary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from didact.method import Clock, Method, StepContext
from didact.methods import dist
from didact.seeds import stream
from didact.spec import choose
from didact.tensors import Batch, Outputs

random = np.random.default_rng(8)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def correlation(a: np.ndarray, b: np.ndarray, eps: str) -> float:
    a, b = a - a.mean(), b - b.mean()
    norms = np.sqrt((a**2).sum()), np.sqrt((b**2).sum())
    if eps == "product":
        return float(a @ b / (norms[0] * norms[1] + 1e-8))
    return float(a @ b / (max(norms[0], 1e-8) * max(norms[1], 1e-8)))


def reference(
    zs: np.ndarray, zt: np.ndarray, beta: float = 2, gamma: float = 2, temperature: float = 4, eps: str = "clamp"
) -> float:
    p, q = softmax(zs / temperature), softmax(zt / temperature)
    inter = 1 - np.mean([correlation(a, b, eps) for a, b in zip(p, q, strict=True)])
    intra = 1 - np.mean([correlation(a, b, eps) for a, b in zip(p.T, q.T, strict=True)])
    return float(temperature**2 * (beta * inter + gamma * intra))


def test_dist_by_hand() -> None:
    # predictions (3/4, 1/4) and (1/4, 3/4); the teacher's are the same, or swapped: every correlation is 1, or -1
    z = torch.tensor([[3.0, 1.0], [1.0, 3.0]]).log()
    assert dist.loss(z, z, 1.0, 1.0, 1.0).item() == pytest.approx(0, abs=1e-6)
    assert dist.loss(z, z.flip(1), 1.0, 0.0, 1.0).item() == pytest.approx(2)
    assert dist.loss(z, z.flip(1), 0.0, 1.0, 1.0).item() == pytest.approx(2)
    assert dist.loss(4 * z, 4 * z.flip(1)).item() == pytest.approx(16 * (2 * 2 + 2 * 2))


@pytest.mark.parametrize("eps", ["clamp", "product"])
@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 2.0), (1.0, 0.0), (0.0, 1.0)])
@pytest.mark.parametrize(("temperature", "scale"), [(1.0, 1.0), (4.0, 5.0)])
def test_dist_and_its_gradient(
    slope: Callable, eps: str, beta: float, gamma: float, temperature: float, scale: float
) -> None:
    zs, zt = random.normal(size=(2, 5, 7)) * scale
    own = torch.tensor(zs, requires_grad=True)
    value = dist.loss(own, torch.tensor(zt), beta, gamma, temperature, eps)  # type: ignore[arg-type]
    value.backward()
    assert value.item() == pytest.approx(reference(zs, zt, beta, gamma, temperature, eps), rel=1e-9)
    np.testing.assert_allclose(own.grad, slope(lambda x: reference(x, zt, beta, gamma, temperature, eps), zs), atol=1e-6)


def test_correlations_are_numpys() -> None:
    zs, zt = random.normal(size=(2, 6, 4))
    p, q = softmax(zs / 4), softmax(zt / 4)
    inter = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    intra = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    assert dist.loss(torch.tensor(zs), torch.tensor(zt)).item() == pytest.approx(32 * (inter + intra), rel=1e-9)


def test_epsilon_matters_for_tiny_probabilities() -> None:
    zs, zt = random.normal(size=(2, 6, 4))
    zs[:, 3] -= 18
    zt[:, 3] -= 18
    clamp, product = (
        dist.loss(torch.tensor(zs), torch.tensor(zt), 0.0, 1.0, 1.0, eps).item()  # type: ignore[arg-type]
        for eps in ("clamp", "product")
    )
    assert clamp == pytest.approx(reference(zs, zt, 0, 1, 1, "clamp"), rel=1e-8)
    assert product == pytest.approx(reference(zs, zt, 0, 1, 1, "product"), rel=1e-8)
    assert abs(clamp - product) > 0.01


@pytest.mark.parametrize("eps", ["clamp", "product"])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_dist_of_logits_of_scale_60(eps: str, temperature: float) -> None:
    zs, zt = (random.normal(size=(2, 8, 10)) * 60).astype(np.float32)
    zs[:, 0] = zt[:, 1] = -300  # never predicted: probabilities that underflow
    own = torch.tensor(zs, requires_grad=True)
    value = dist.loss(own, torch.tensor(zt), temperature=temperature, eps=eps)  # type: ignore[arg-type]
    value.backward()
    assert own.grad is not None and own.grad.isfinite().all() and own.grad.any()
    wide = zs.astype(np.float64), zt.astype(np.float64)
    assert value.item() == pytest.approx(reference(*wide, temperature=temperature, eps=eps), rel=1e-3)


@pytest.mark.parametrize("eps", ["clamp", "product"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_does_not_vary_counts_as_uncorrelated(eps: str, dtype: torch.dtype) -> None:
    """A classifier that starts at zero, exactly or up to rounding: every correlation is 0, and so is the gradient."""
    zt = torch.randn(3, 4, dtype=dtype)
    for noise in (0.0, 2 * torch.finfo(dtype).eps):
        own = (noise * torch.randn(3, 4, dtype=dtype)).requires_grad_()
        value = dist.loss(own, zt, eps=eps)  # type: ignore[arg-type]
        value.backward()
        assert value.item() == 64 and own.grad is not None and not own.grad.any()
    both = torch.zeros(3, 4, dtype=dtype, requires_grad=True)
    dist.loss(both, torch.zeros(3, 4, dtype=dtype), eps=eps).backward()  # type: ignore[arg-type]
    assert both.grad is not None and not both.grad.any()


@pytest.mark.parametrize("eps", ["clamp", "product"])
def test_one_row_that_does_not_vary(slope: Callable, eps: str) -> None:
    """It has no gradient of the inter term; the others have theirs, by differences."""
    zs, zt = random.normal(size=(2, 3, 4))
    zs[1] = 0.5
    own = torch.tensor(zs, requires_grad=True)
    dist.loss(own, torch.tensor(zt), 2.0, 0.0, eps=eps).backward()  # type: ignore[arg-type]

    def others(x: np.ndarray) -> float:
        return reference(np.delete(x, 1, 0), np.delete(zt, 1, 0), 2.0, 0.0, eps=eps) * 2 / 3

    expected = slope(others, zs)
    assert not expected[1].any() and own.grad is not None and not own.grad[1].any()
    np.testing.assert_allclose(own.grad, expected, atol=1e-6)


def test_nan_is_not_hidden() -> None:
    zs = torch.randn(3, 4)
    zs[1, 2] = torch.nan
    assert dist.loss(zs, torch.randn(3, 4)).isnan()


@pytest.mark.parametrize("eps", ["clamp", "product"])
def test_a_batch_of_one_has_no_correlation_over_images(eps: str) -> None:
    zs, zt = torch.randn(2, 1, 6)
    zs.requires_grad_()
    alone = dist.loss(zs, zt, 0.0, 1.0, eps=eps)  # type: ignore[arg-type]
    alone.backward()
    assert alone.item() == 16 and zs.grad is not None and not zs.grad.any()
    dist.loss(zs, zt, eps=eps).backward()  # type: ignore[arg-type]
    assert zs.grad.isfinite().all() and zs.grad.any()


def test_the_settings_are_the_published_ones() -> None:
    method = choose(Method, "dist")
    assert isinstance(method, dist.DIST)
    found = (method.gamma, method.inter, method.intra, method.temperature, method.eps)
    assert found == (1.0, 2.0, 2.0, 4.0, "clamp")
    zs, zt = torch.randn(2, 4, 10)
    assert torch.equal(dist.loss(zs, zt), dist.loss(zs, zt, 2.0, 2.0, 4.0, "clamp"))
    with pytest.raises(ValueError, match="'clamp' or 'product'"):
        choose(Method, {"name": "dist", "eps": "sum"})


def test_terms() -> None:
    zs, zt = random.normal(size=(2, 4, 10))
    context = StepContext(
        Batch(torch.zeros(4, 3, 8, 8), torch.arange(4), torch.arange(4)),
        own=Outputs(logits=torch.tensor(zs)),
        teacher=Outputs(logits=torch.tensor(zt)),
        clock=Clock(0, 1, 0, 1, 0),
        random=stream(0),
    )
    method = dist.DIST(gamma=0.5, inter=3.0, intra=5.0, temperature=2.0, eps="product")
    terms = method.terms(torch.nn.Module(), context)
    assert terms["ce"].item() == pytest.approx(-0.5 * np.log(softmax(zs)[np.arange(4), np.arange(4)]).mean())
    assert terms["relations"].item() == pytest.approx(reference(zs, zt, 3, 5, 2, "product"))
    assert list(dist.DIST(gamma=0.0).terms(torch.nn.Module(), context)) == ["relations"]
