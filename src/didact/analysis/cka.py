"""CKA: how similar two representations of the same samples are, up to rotation and scale.

Kornblith, Norouzi, Lee, Hinton: Similarity of Neural Network Representations Revisited (ICML 2019),
https://arxiv.org/abs/1905.00414. With kernels K of one representation and L of the other:

    CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))

``linear`` (K = X X') and ``rbf`` (Gaussian) use the usual, biased HSIC; ``unbiased`` and ``rbf(...,
unbiased=True)`` use the estimator of Song et al. (2012). The formulas are in
:mod:`didact.analysis.hsic`. All are exact, in float64, and keep no n x n matrix in memory:
:class:`Moments` accumulates products of features, :mod:`didact.analysis.kernels` sums over blocks
of the kernels; ``matrix`` uses the smaller of the two. For layers of two networks, see
:mod:`didact.analysis.layers`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from didact.analysis import hsic, kernels
from didact.analysis.moments import Moments, pairs_of
from didact.spec import check_word

__all__ = ["Kind", "Moments", "linear", "matrix", "rbf", "unbiased"]

Kind = Literal["linear", "rbf"]

SHARE = 0.5
"""The RBF kernel's sigma as a share of the median distance of two samples, as in the authors'
demonstration."""

ROWS = 512
"""Samples in a block of a whole representation."""

MOMENTS = 1 << 26
"""Largest number of products of features to accumulate (512 MiB)."""


def linear(x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> float:
    """Linear CKA of (n, p) and (n, q), in [0, 1]; columns need not be centred. NaN for a constant
    representation.

    Raises:
        ValueError: fewer than two samples, or different numbers of samples.
    """
    return _whole(x, y, "linear", False, SHARE)


def unbiased(x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> float:
    """Debiased linear CKA of (n, p) and (n, q); may be slightly negative for unrelated
    representations.

    Raises:
        ValueError: fewer than four samples, or different numbers of samples.
    """
    return _whole(x, y, "linear", True, SHARE)


def rbf(x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], share: float = SHARE, unbiased: bool = False) -> float:
    """CKA of (n, p) and (n, q) with K_ij = exp(-|x_i - x_j|^2 / (2 sigma^2)); NaN if a median
    distance is zero.

    sigma is ``share`` times the median distance of two different samples, separately for each
    representation (Kornblith et al., section 4). Their code also counts each sample's distance of 0
    to itself, which changes the median slightly for few samples.

    Raises:
        ValueError: fewer than two samples (unbiased: four), different numbers of samples, or a
            share that is not positive.
    """
    return _whole(x, y, "rbf", unbiased, share)


def matrix(
    read: kernels.Read, samples: int, split: int, kind: Kind = "linear", unbiased: bool = False, share: float = SHARE
) -> Float[Tensor, "a b"]:
    """CKA of each of the first ``split`` layers with each of the others, float64 on the CPU.

    Args:
        read: gives the blocks of samples from a given block on, every layer as (b, d), the same in
            every call.
        samples: total number of samples in the blocks.
        split: number of layers of the first network.
        kind, unbiased, share: as above.

    Raises:
        ValueError: too few samples, a share that is not positive, or another kind.
    """
    check_word("kind", kind, get_args(Kind))
    if share <= 0:
        raise ValueError(f"share: the bandwidth as a share of the median distance must be above 0, found {share}")
    if kind == "rbf":
        squares = [share**2 * median for median in kernels.median_squares(read)]
        return hsic.cka(kernels.sums(read, samples, kernels.Rbf(squares)), split, unbiased)
    widths = [layer.shape[1] for layer in next(read(0))]
    if _narrow(widths, split, samples):
        moments = Moments()
        for layers in read(0):
            moments.add(layers[:split], layers[split:])
        return moments.matrix(unbiased)
    return hsic.cka(kernels.sums(read, samples, kernels.linear), split, unbiased)


def _narrow(widths: Sequence[int], split: int, samples: int) -> bool:
    """Whether products of features are fewer than products of samples, and fit into memory."""
    products = sum(widths[i] * widths[j] for i, j in pairs_of(len(widths), split))
    return products <= min(MOMENTS, samples * sum(widths))


def _whole(x: Tensor, y: Tensor, kind: Kind, unbiased: bool, share: float) -> float:
    if len(x) != len(y) or not len(x):
        raise ValueError(f"both representations need the same samples, found {len(x)} and {len(y)}")
    flat = [x.reshape(len(x), -1), y.reshape(len(y), -1)]

    def read(block: int) -> Iterator[list[Tensor]]:
        for start in range(block * ROWS, len(x), ROWS):
            yield [layer[start : start + ROWS] for layer in flat]

    return float(matrix(read, len(x), 1, kind, unbiased, share))
