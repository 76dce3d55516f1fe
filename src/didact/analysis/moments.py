"""Linear CKA from products of features: one pass over the batches, memory independent of their
number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from didact.analysis import hsic


def pairs_of(layers: int, split: int) -> list[tuple[int, int]]:
    """The pairs of layers for the CKA of the first ``split`` with the others: each with itself, and
    across."""
    return [(i, i) for i in range(layers)] + [(i, j) for i in range(split) for j in range(split, layers)]


class Moments:
    """Linear CKA between the layers of two networks, exact, in the form of Kornblith et al. (2019),
    Eq. 1: ||Y'X||^2.

    Call :meth:`add` with the layers of both networks for each batch of samples, then
    :meth:`matrix`. The batch size only changes rounding. Memory: 8 bytes for each pair of features
    of two compared layers, so this is for layers with fewer features than samples; for others see
    :mod:`didact.analysis.kernels`.

    All estimators come from Z_a'Z_b. A row of Z holds a sample's features x_i, K_ii = |x_i|^2, and
    1. With s = X'1:

        sum_ij K_ij L_ij = ||X'Y||^2
        sum_i (K1)_i (L1)_i = s' X'Y t
        sum_i (K1)_i L_ii = s' X'(L_ii)_i

    The first sample's features are subtracted from all others. This changes no estimator and avoids
    products with a large common offset. Sums are float64.
    """

    def __init__(self) -> None:
        self.split = 0
        self.first: list[Tensor] = []
        self.products: dict[tuple[int, int], Tensor] = {}

    def add(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> None:
        """Add a batch: all layers of network a and all layers of network b, (n, ...) each, for the
        same n samples.

        Raises:
            ValueError: different numbers of samples, or shapes that differ from those of the first
                batch.
        """
        layers = [layer.flatten(1) for layer in (*a, *b)]
        if not self.first:
            self.split = len(a)
            self.first = [layer[0].double() for layer in layers]
            for i, j in pairs_of(len(layers), self.split):
                size = (layers[i].shape[1] + 2, layers[j].shape[1] + 2)
                self.products[i, j] = torch.zeros(size, dtype=torch.float64, device=layers[i].device)
        self._check(layers, len(a))
        rows = [_with_norms(layer.double() - first) for layer, first in zip(layers, self.first, strict=True)]
        for (i, j), product in self.products.items():
            product.addmm_(rows[i].T, rows[j])

    def matrix(self, unbiased: bool = False) -> Float[Tensor, "a b"]:
        """CKA of each layer of a with each layer of b so far, float64 on the CPU; NaN for a
        constant layer.

        Raises:
            ValueError: no batch yet, or too few samples (2; unbiased 4).
        """
        return hsic.cka(self.sums(), self.split, unbiased)

    def sums(self) -> hsic.Sums:
        """The sums over the kernels of all layers, a's before b's."""
        if not self.first:
            raise ValueError("no samples yet; add batches first")
        count, device = len(self.first), self.first[0].device
        dot, rows, diagonals, mixed = torch.full((4, count, count), torch.nan, dtype=torch.float64, device=device)
        totals, traces = torch.zeros(2, count, dtype=torch.float64, device=device)
        for (i, j), product in self.products.items():
            core, s, t = product[:-2, :-2], product[:-2, -1], product[-1, :-2]
            dot[i, j] = dot[j, i] = core.pow(2).sum()
            rows[i, j] = rows[j, i] = s @ core @ t
            diagonals[i, j] = diagonals[j, i] = product[-2, -2]
            mixed[i, j], mixed[j, i] = s @ product[:-2, -2], t @ product[-2, :-2]
            if i == j:
                totals[i], traces[i] = s @ s, product[-2, -1]
        samples = round(float(self.products[0, 0][-1, -1]))
        return hsic.Sums(samples, dot, rows, diagonals, mixed, totals, traces)

    def _check(self, layers: list[Tensor], split: int) -> None:
        expected = self.split, [len(first) for first in self.first]
        if (split, [layer.shape[1] for layer in layers]) != expected:
            shapes = [tuple(layer.shape) for layer in layers]
            raise ValueError(
                f"expected {expected[0]} layers of network a among features {expected[1]}, found {split} in {shapes}"
            )
        if len({len(layer) for layer in layers}) != 1:
            raise ValueError(f"all layers need the same samples, found {[len(layer) for layer in layers]}")


def _with_norms(x: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
    """(x_i, |x_i|^2, 1) in each row."""
    return torch.cat([x, x.pow(2).sum(1, keepdim=True), x.new_ones(len(x), 1)], 1)
