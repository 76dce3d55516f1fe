"""HSIC and CKA of many pairs of kernels, from a few sums over their entries.

K and L are kernels of the same n samples, such as K_ij = <x_i, x_j>. H = I - 11'/n centres.

    biased     tr(K H L H) / (n - 1)^2
               Gretton, Bousquet, Smola, Schoelkopf (ALT 2005), Eq. 9;
               Kornblith et al. (ICML 2019, arXiv 1905.00414), Eq. 3
    unbiased   [tr(K L) + 1'K1 1'L1 / ((n-1)(n-2)) - 2/(n-2) 1'K L 1] / (n (n-3)),
               diagonals of K and L set to zero
               Song et al. (JMLR 2012), Eq. 5
    CKA        HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))
               Cortes et al. (JMLR 2012); Kornblith et al., Eq. 4

The biased CKA lies in [0, 1] and grows with the ratio of features to samples, even for unrelated
representations. The CKA from unbiased HSICs is called debiased: its parts have no bias, and the
bias of their ratio is small. It can be negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Square = Float[Tensor, "l l"]

ROUNDING = 1e-13
"""A HSIC below this share of sum_ij K_ij^2 is a rounding error."""


@dataclass(frozen=True)
class Sums:
    """The sums over ``l`` kernels that the estimators need, in float64. NaN for pairs that were
    left out.

    Attributes:
        samples: number of samples.
        dot: sum_ij K_ij L_ij.
        rows: sum_i (K1)_i (L1)_i.
        diagonals: sum_i K_ii L_ii.
        mixed: sum_i (K1)_i L_ii, with K by row and L by column.
        totals: 1'K1.
        traces: tr K.
    """

    samples: int
    dot: Square
    rows: Square
    diagonals: Square
    mixed: Square
    totals: Float[Tensor, " l"]
    traces: Float[Tensor, " l"]


def biased(sums: Sums) -> Square:
    """tr(K H L H) / (n - 1)^2 of every pair.

    Raises:
        ValueError: fewer than two samples.
    """
    n = _enough(sums, 2, "biased")
    return (sums.dot - 2 / n * sums.rows + torch.outer(sums.totals, sums.totals) / n**2) / (n - 1) ** 2


def unbiased(sums: Sums) -> Square:
    """The estimator of Song et al. (2012) for every pair: a mean over all tuples of four different
    samples.

    Raises:
        ValueError: fewer than four samples.
    """
    n = _enough(sums, 4, "unbiased")
    dot = sums.dot - sums.diagonals  # from here on the kernels' diagonals are zero
    rows = sums.rows - sums.mixed - sums.mixed.T + sums.diagonals
    totals = sums.totals - sums.traces
    return (dot + torch.outer(totals, totals) / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows) / (n * (n - 3))


def cka(sums: Sums, split: int, debiased: bool) -> Float[Tensor, "a b"]:
    """CKA of each of the first ``split`` kernels with each of the others, float64 on the CPU.

    NaN if a representation's HSIC with itself is zero up to rounding: the representation is
    constant, or (debiased) only one sample differs from the others.
    """
    hsic = (unbiased(sums) if debiased else biased(sums)).cpu()
    squares, noise = hsic.diagonal(), ROUNDING * sums.dot.cpu().diagonal() / sums.samples**2
    lengths = torch.where(squares > noise, squares, torch.nan).sqrt()
    return hsic[:split, split:] / torch.outer(lengths[:split], lengths[split:])


def _enough(sums: Sums, least: int, which: str) -> int:
    if sums.samples < least:
        raise ValueError(f"the {which} estimator needs at least {least} samples, found {sums.samples}")
    return sums.samples
