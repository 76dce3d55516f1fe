"""CKA against HSIC of whole n x n matrices, and the unbiased estimator against its definition as sums over distinct indices."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from didact.analysis import cka

random = np.random.default_rng(7)


def biased(x: np.ndarray, y: np.ndarray) -> float:
    n = len(x)
    centring = np.eye(n) - 1 / n
    return float(np.trace(x @ x.T @ centring @ (y @ y.T) @ centring) / (n - 1) ** 2)


def debiased(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. (2012), equation 5."""
    n, ones = len(x), np.ones(len(x))
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    middle = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return float((np.trace(k @ m) + middle - 2 / (n - 2) * (ones @ k @ m @ ones)) / (n * (n - 3)))


def u_statistic(x: np.ndarray, y: np.ndarray) -> float:
    """The average over all ordered tuples of four distinct rows of K_ij (L_ij + L_qr - 2 L_iq)."""
    k, m = x @ x.T, y @ y.T
    terms = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(x)), 4)]
    return float(np.mean(terms))


def ratio(hsic, x: np.ndarray, y: np.ndarray) -> float:
    return hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))


def drawn(n: int, p: int, q: int) -> tuple[np.ndarray, np.ndarray]:
    """Two representations that have something in common, not centred."""
    x = random.normal(size=(n, p)) + 2
    return x, np.tanh(x @ random.normal(size=(p, q))) + random.normal(size=(n, q)) - 1


def both(x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(x), torch.tensor(y)


@pytest.mark.parametrize(("n", "p", "q"), [(64, 20, 12), (16, 40, 3), (7, 2, 5), (4, 3, 3)])
def test_against_whole_matrices(n: int, p: int, q: int) -> None:
    x, y = drawn(n, p, q)
    assert cka.linear(*both(x, y)) == pytest.approx(ratio(biased, x, y), rel=1e-9)
    if n > 4:  # at n = 4 the debiased HSIC(X, X) of few columns may be close to zero
        assert cka.unbiased(*both(x, y)) == pytest.approx(ratio(debiased, x, y), rel=1e-8)


def test_unbiased_is_the_u_statistic() -> None:
    x, y = drawn(7, 3, 4)
    assert debiased(x, y) == pytest.approx(u_statistic(x, y), rel=1e-10)
    assert cka.unbiased(*both(x, y)) == pytest.approx(ratio(u_statistic, x, y), rel=1e-8)


@pytest.mark.parametrize("measure", [cka.linear, cka.unbiased])
def test_invariances(measure) -> None:
    x, y = drawn(64, 20, 12)
    q, _ = np.linalg.qr(random.normal(size=(20, 20)))
    moved = 2.5 * x @ q + random.normal(size=20)
    assert measure(*both(x, x)) == pytest.approx(1, abs=1e-12)
    assert measure(*both(x, moved)) == pytest.approx(1, abs=1e-10)
    assert measure(*both(moved, y)) == pytest.approx(measure(*both(x, y)), abs=1e-10)
    assert measure(*both(y, x)) == pytest.approx(measure(*both(x, y)), abs=1e-12)
    stretched = x * np.linspace(1, 9, 20)  # not invariant to every invertible map
    assert abs(measure(*both(stretched, y)) - measure(*both(x, y))) > 1e-3


def test_unrelated_representations() -> None:
    x, y = random.normal(size=(30, 200)), random.normal(size=(30, 200))
    assert cka.linear(*both(x, y)) > 0.8  # the bias: many columns, few samples
    assert abs(cka.unbiased(*both(x, y))) < 0.2


def test_by_hand() -> None:
    # centred (-1, 0, 1) and (1, -2, 1): orthogonal; (-1, 0, 1) and its double: alike
    x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[5.0], [2.0], [5.0]])
    assert cka.linear(x, y) == pytest.approx(0, abs=1e-15)
    assert cka.linear(x, 2 * x) == pytest.approx(1)
    assert cka.linear(x, torch.cat([x, y], 1)) == pytest.approx(4 / np.sqrt(4 * (4 + 36)))


def test_float32_is_computed_in_float64() -> None:
    x, y = (torch.tensor(a, dtype=torch.float32) for a in drawn(64, 20, 12))
    assert cka.linear(x, y) == cka.linear(x.double(), y.double())
    assert cka.linear(x + 1e3, y) == pytest.approx(cka.linear(x, y), rel=1e-3)


def test_what_cannot_be_measured() -> None:
    x = torch.randn(5, 3)
    assert np.isnan(cka.linear(x, torch.ones(5, 2)))
    with pytest.raises(ValueError, match="at least 4 samples, found 3"):
        cka.unbiased(x[:3], x[:3])
