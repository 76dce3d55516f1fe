"""Every CKA estimator against n x n kernels in float64 NumPy: at once, in minibatches, block by block, of many layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from didact.analysis import cka, hsic, kernels
from didact.analysis.moments import Moments

Array = np.ndarray[Any, np.dtype[np.float64]]
random = np.random.default_rng(5)


def kernel(x: Array, kind: str, share: float = 0.5) -> Array:
    products = x @ x.T
    if kind == "linear":
        return products
    squares = np.maximum(np.diag(products)[:, None] + np.diag(products)[None] - 2 * products, 0)
    median = np.median(squares[np.triu_indices(len(x), 1)])
    return np.exp(-squares / (2 * share**2 * median))


def biased(k: Array, m: Array) -> float:
    """sum of (H K H) o (H L H)."""
    centre = [one - one.mean(0) - one.mean(1)[:, None] + one.mean() for one in (k, m)]
    return float((centre[0] * centre[1]).sum())


def unbiased(k: Array, m: Array) -> float:
    """Song et al. (2012), Eq. 5, without the factor 1 / (n (n - 3)), which the ratio does not show."""
    n = len(k)
    k, m = (one - np.diag(np.diag(one)) for one in (k, m))
    means = k.sum() * m.sum() / ((n - 1) * (n - 2))
    return float((k * m).sum() + means - 2 / (n - 2) * k.sum(0) @ m.sum(0))


def direct(x: Array, y: Array, kind: str, debiased: bool, share: float = 0.5) -> float:
    k, m = kernel(x, kind, share), kernel(y, kind, share)
    estimate = unbiased if debiased else biased
    return estimate(k, m) / np.sqrt(estimate(k, k) * estimate(m, m))


def drawn(n: int, *widths: int) -> list[Array]:
    """Representations that have something in common, far from the origin."""
    common = random.normal(size=(n, 3))
    return [common @ random.normal(size=(3, d)) + random.normal(size=(n, d)) + 5 for d in widths]


def tensors(*arrays: Array) -> list[torch.Tensor]:
    return [torch.tensor(array) for array in arrays]


def in_blocks(layers: list[torch.Tensor], rows: int) -> kernels.Read:
    def read(start: int) -> Iterator[list[torch.Tensor]]:
        for at in range(start * rows, len(layers[0]), rows):
            yield [layer[at : at + rows] for layer in layers]

    return read


MEASURES: list[tuple[Callable[..., float], str, bool]] = [
    (cka.linear, "linear", False),
    (cka.unbiased, "linear", True),
    (cka.rbf, "rbf", False),
    (lambda x, y: cka.rbf(x, y, unbiased=True), "rbf", True),
]
each_measure = pytest.mark.parametrize(
    ("measure", "kind", "debiased"), MEASURES, ids=["linear", "unbiased", "rbf", "rbf-unbiased"]
)


@each_measure
@pytest.mark.parametrize(("n", "p", "q"), [(90, 7, 12), (42, 300, 5), (700, 4, 900)])
def test_against_the_whole_kernels(measure, kind: str, debiased: bool, n: int, p: int, q: int) -> None:
    x, y = drawn(n, p, q)
    # the median's bin, 0.025 % wide, bounds how exact the bandwidth is
    assert measure(*tensors(x, y)) == pytest.approx(direct(x, y, kind, debiased), rel=1e-9 if kind == "linear" else 5e-4)


@pytest.mark.timeout(60)
def test_two_thousand_samples_against_the_whole_kernels() -> None:
    x, y = drawn(2000, 64, 48)
    for measure, kind, debiased in MEASURES:
        expected = direct(x, y, kind, debiased)
        assert measure(*tensors(x, y)) == pytest.approx(expected, rel=1e-9 if kind == "linear" else 1e-5)


@pytest.mark.parametrize("debiased", [False, True])
def test_rbf_is_exact_for_its_bandwidth(debiased: bool) -> None:
    x, y = drawn(63, 5, 200)  # an odd number of distances has one in the middle
    read = in_blocks(tensors(x, y), 17)
    squares = kernels.median_squares(read)
    for array, square in zip((x, y), squares, strict=True):
        far = ((array[:, None] - array[None]) ** 2).sum(2)[np.triu_indices(63, 1)]
        assert square == pytest.approx(np.median(far), rel=2.5e-4)
    k, m = (np.exp(-((a[:, None] - a[None]) ** 2).sum(2) / (2 * s)) for a, s in zip((x, y), squares, strict=True))
    estimate = unbiased if debiased else biased
    found = hsic.cka(kernels.sums(read, 63, kernels.Rbf(squares)), 1, debiased)
    assert float(found) == pytest.approx(estimate(k, m) / np.sqrt(estimate(k, k) * estimate(m, m)), rel=1e-10)


def test_the_share_sets_the_bandwidth() -> None:
    x, y = drawn(82, 6, 6)
    for share in (0.2, 1.0):
        expected = direct(x, y, "rbf", False, share)
        assert cka.rbf(*tensors(x, y), share=share) == pytest.approx(expected, rel=2e-4)
    # so wide a kernel is linear in the squared distances, and those are linear in the products
    assert cka.rbf(*tensors(x, y), share=30.0) == pytest.approx(cka.linear(*tensors(x, y)), rel=1e-3)


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("batch", [7, 64, 100])
def test_minibatches_give_the_whole_matrix(debiased: bool, batch: int) -> None:
    a, b = drawn(64, 3, 20, 8), drawn(64, 5, 4)
    moments = Moments()
    for start in range(0, 64, batch):
        moments.add(*([layer[start : start + batch] for layer in tensors(*net)] for net in (a, b)))
    found = moments.matrix(debiased)
    expected = [[direct(x, y, "linear", debiased) for y in b] for x in a]
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    blockwise = kernels.sums(in_blocks(tensors(*a, *b), batch), 64, kernels.linear)
    np.testing.assert_allclose(hsic.cka(blockwise, 3, debiased).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["linear", "rbf"])
def test_the_size_of_blocks_changes_only_rounding(kind: str) -> None:
    layers = tensors(*drawn(50, 90, 4, 70))
    found = [cka.matrix(in_blocks(layers, rows), 50, 2, kind) for rows in (1, 13, 50)]
    for other in found[1:]:
        np.testing.assert_allclose(other.numpy(), found[0].numpy(), rtol=1e-9)


def test_both_forms_and_the_one_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, wide = tensors(*drawn(60, 5, 6)), tensors(*drawn(60, 500, 6))
    taken: list[str] = []
    monkeypatch.setattr(cka, "Moments", lambda: taken.append("features") or Moments())
    assert cka.linear(*narrow) == pytest.approx(cka.linear(narrow[0] @ torch.eye(5, 400).double(), narrow[1]), rel=1e-12)
    cka.linear(*wide)
    assert taken == ["features"]


@each_measure
def test_invariances(measure, kind: str, debiased: bool) -> None:
    x, y = drawn(70, 20, 12)
    q, _ = np.linalg.qr(random.normal(size=(20, 20)))
    moved = 2.5 * x @ q + random.normal(size=20)
    assert measure(*tensors(x, x)) == pytest.approx(1, abs=1e-12)
    rounding = 1e-10 if kind == "linear" else 1e-4
    assert measure(*tensors(x, moved)) == pytest.approx(1, abs=rounding)
    assert measure(*tensors(moved, y)) == pytest.approx(measure(*tensors(x, y)), abs=rounding)
    assert measure(*tensors(y, x)) == pytest.approx(measure(*tensors(x, y)), abs=1e-12)
    stretched = x * np.linspace(1, 9, 20)  # not invariant to every invertible map
    assert abs(measure(*tensors(stretched, y)) - measure(*tensors(x, y))) > 1e-3


@each_measure
def test_unrelated_representations(measure, kind: str, debiased: bool) -> None:
    x, y = (torch.tensor(random.normal(size=(30, 200))) for _ in range(2))
    assert abs(measure(x, y)) < 0.2 if debiased else measure(x, y) > 0.8  # the bias: many columns, few samples


@each_measure
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
def test_a_constant_representation_has_no_cka(measure, kind: str, debiased: bool, value: float) -> None:
    x = torch.randn(49, 3)
    assert np.isnan(measure(x, torch.full((49, 2), value)))
    assert np.isnan(measure(torch.full((49, 400), value), x))


def test_a_large_offset_stays_out_of_the_products() -> None:
    x, y = drawn(100, 6, 7)
    for measure, kind, debiased in MEASURES:
        expected = direct(x - x.mean(0), y, kind, debiased)
        assert measure(*tensors(x + 1e7, y)) == pytest.approx(expected, rel=1e-6 if kind == "linear" else 2e-4)


@pytest.mark.parametrize("width", [1, 80])
def test_one_sample_that_differs_has_no_debiased_cka(width: int) -> None:
    """All of its HSIC is in the kernel's diagonal, up to what centring takes away, and the estimator does not read that."""
    x, y = torch.full((40, width), 1 / 3), torch.randn(40, 2)
    x[7] = 5
    assert np.isnan(cka.unbiased(x, y)) and 0 < cka.linear(x, y) < 1
    x[0] = 2
    assert -0.3 < cka.unbiased(x, y) < 0.3


def test_maps_are_flattened_and_float32_is_summed_in_float64() -> None:
    x, y = torch.randn(40, 3, 4, 4), torch.randn(40, 6)
    assert cka.linear(x, y) == cka.linear(x.flatten(1).double(), y.double())
    assert cka.rbf(x, y) == cka.rbf(x.flatten(1).double(), y.double())


def test_misuse() -> None:
    x, y = torch.randn(8, 3), torch.randn(8, 2)
    with pytest.raises(ValueError, match="at least 2 samples, found 1"):
        cka.linear(x[:1], y[:1])
    with pytest.raises(ValueError, match="at least 4 samples, found 3"):
        cka.rbf(x[:3], y[:3], unbiased=True)
    with pytest.raises(ValueError, match="median distance needs at least 2 samples"):
        cka.rbf(x[:1], y[:1])
    with pytest.raises(ValueError, match=r"share: .* above 0, found 0"):
        cka.rbf(x, y, share=0.0)
    with pytest.raises(ValueError, match="found 8"):
        kernels.sums(in_blocks([x, y], 3), 7, kernels.linear)
    moments = Moments()
    with pytest.raises(ValueError, match="add batches first"):
        moments.matrix()
    with pytest.raises(ValueError, match=r"found \[8, 7\]"):
        moments.add([x], [y[:7]])
    moments.add([x], [y])
    with pytest.raises(ValueError, match=r"expected 1 layers of network a among features \[3, 2\]"):
        moments.add([x], [x])
