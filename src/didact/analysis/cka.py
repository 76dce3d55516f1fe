"""CKA: how similar two representations of the same samples are, up to rotation and scale.

Kornblith, Norouzi, Lee, Hinton: Similarity of Neural Network Representations Revisited (ICML 2019),
https://arxiv.org/abs/1905.00414. With K = X X' and L = Y Y':

    CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))

``linear`` uses the usual (biased) HSIC, ``unbiased`` the estimator of Song et al. (2012). Both are computed from the
d x d products of the features, so thousands of samples need no n x n matrix.
"""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor


def linear(x: Float[Tensor, "n p"], y: Float[Tensor, "n q"]) -> float:
    """Linear CKA of (n, p) and (n, q), in [0, 1]; columns need not be centred. NaN when a representation is constant."""
    x, y = _centred(x), _centred(y)
    cross, own_x, own_y = (float((a.T @ b).pow(2).sum()) for a, b in ((x, y), (x, x), (y, y)))
    return _ratio(cross, own_x, own_y)


def unbiased(x: Float[Tensor, "n p"], y: Float[Tensor, "n q"]) -> float:
    """Debiased linear CKA of (n, p) and (n, q); may be slightly negative for unrelated representations.

    Raises:
        ValueError: fewer than four samples.
    """
    if len(x) < 4:
        raise ValueError(f"the unbiased estimator needs at least 4 samples, found {len(x)}")
    x, y = _centred(x), _centred(y)
    return _ratio(_unbiased_hsic(x, y), _unbiased_hsic(x, x), _unbiased_hsic(y, y))


def _unbiased_hsic(x: Tensor, y: Tensor) -> float:
    """[tr(K L) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'K L 1] / (n(n-3)), diagonals of K = x x' and L = y y' set to zero."""
    n = len(x)
    diagonal_x, diagonal_y = x.pow(2).sum(1), y.pow(2).sum(1)
    rows_x, rows_y = x @ x.sum(0) - diagonal_x, y @ y.sum(0) - diagonal_y  # K 1 and L 1
    trace = (x.T @ y).pow(2).sum() - (diagonal_x * diagonal_y).sum()
    means = rows_x.sum() * rows_y.sum() / ((n - 1) * (n - 2))
    return float(trace + means - 2 / (n - 2) * (rows_x @ rows_y)) / (n * (n - 3))


def _centred(x: Tensor) -> Tensor:
    x = x.double().flatten(1)
    return x - x.mean(0)


def _ratio(cross: float, own_x: float, own_y: float) -> float:
    scale = own_x * own_y
    return cross / math.sqrt(scale) if scale > 0 else math.nan
