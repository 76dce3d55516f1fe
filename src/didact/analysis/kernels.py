"""Sums over n x n kernels, block by block: any number of features, any kernel of distances, no n x
n matrix in memory.

The samples come in blocks. A block of the kernel needs two blocks of samples, so all pairs of
blocks are read: memory is that of two blocks, and for B blocks, B (B + 1) / 2 blocks are computed.
Fewer, larger blocks are faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from didact.analysis import hsic

Read = Callable[[int], Iterator[list[Tensor]]]
"""Gives the blocks of samples from a given block on. A block holds every layer's (b, d) features of
the same samples."""

Kernel = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer's number, products <x_i, y_j>, squared norms of x_i and of y_j) -> (b, c) entries of the
kernel, float64."""

CHUNK = 1 << 22
"""How many numbers of a block are converted to float64 at a time."""

SHIFT = 11
BINS = 1 << 20
"""Bins of squared distances: the bits of a float32 without the last 11, so 4096 bins for each power
of two."""


@dataclass(frozen=True)
class Block:
    """Samples ``start`` to ``stop``, and their features in every layer."""

    start: int
    layers: list[Tensor]

    @property
    def stop(self) -> int:
        """The first row after the block."""
        return self.start + len(self.layers[0])


def linear(layer: int, products: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """K_ij = <x_i, x_j>."""
    return products


@dataclass(frozen=True)
class Rbf:
    """K_ij = exp(-|x_i - x_j|^2 / (2 sigma^2)), with sigma^2 of every layer in ``squares``.

    For sigma^2 = 0 the kernel is constant. Zeros replace it, because every estimator centres the
    kernel.
    """

    squares: Sequence[float]

    def __call__(self, layer: int, products: Tensor, left: Tensor, right: Tensor) -> Tensor:
        if self.squares[layer] == 0:
            return torch.zeros_like(products)
        return distances(products, left, right).div_(-2 * self.squares[layer]).exp_()


def distances(products: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """|x_i - y_j|^2 from products and squared norms, never negative."""
    return (products * -2 + left[:, None]).add_(right).clamp_(min=0)


def sums(read: Read, samples: int, kernel: Kernel) -> hsic.Sums:
    """The sums over every layer's kernel of ``samples`` samples. One pass over all pairs of blocks.

    Raises:
        ValueError: the blocks hold another number of samples.
    """
    accumulated: _Accumulated | None = None
    rows = 0
    for row, column, blocks in _blocks(read, kernel):
        if accumulated is None:
            accumulated = _Accumulated(len(blocks), samples, blocks.device)
        if column.stop <= samples:
            accumulated.add(row, column, blocks)
        rows = max(rows, column.stop)
    if accumulated is None or rows != samples:
        raise ValueError(f"expected the same {samples} samples whenever the blocks are read, found {rows}")
    return accumulated.sums()


def median_squares(read: Read) -> list[float]:
    """For every layer, the median squared distance of two different samples. One pass over all
    pairs of blocks.

    Computed from a histogram of all n (n - 1) / 2 distances, by interpolation within a bin of at
    most 0.025 % width.

    Raises:
        ValueError: fewer than two samples.
    """
    counts: Tensor | None = None
    for row, column, blocks in _blocks(read, lambda layer, products, left, right: distances(products, left, right)):
        if counts is None:
            counts = torch.zeros(len(blocks), BINS, dtype=torch.int64, device=blocks.device)
        for layer, block in enumerate(blocks):
            if row.start == column.start:  # each pair once, none with itself
                upper = torch.triu_indices(*block.shape, offset=1, device=block.device)
                block = block[upper[0], upper[1]]
            bins = (block.flatten().float().view(torch.int32) >> SHIFT) & (BINS - 1)  # without the sign, which NaN may have
            counts[layer].index_add_(0, bins, torch.ones_like(bins, dtype=torch.int64))
    if counts is None or not counts[0].any():
        raise ValueError("a median distance needs at least 2 samples")
    return [_median(layer.cpu()) for layer in counts]


def _median(counts: Tensor) -> float:
    """The median of a histogram, by linear interpolation within its bin."""
    ends = counts.cumsum(0)
    rank = int(ends[-1]) / 2
    bin_ = int(torch.searchsorted(ends, rank))
    if bin_ == 0:
        return 0.0
    low, high = (torch.tensor([bin_, bin_ + 1], dtype=torch.int32) << SHIFT).view(torch.float32).double().tolist()
    return low + (high - low) * (rank - int(ends[bin_ - 1])) / int(counts[bin_])


class _Accumulated:
    """Sums over blocks of the upper half of every layer's kernel."""

    def __init__(self, layers: int, samples: int, device: torch.device) -> None:
        self.dot = torch.zeros(layers, layers, dtype=torch.float64, device=device)
        self.rows, self.diagonals = torch.zeros(2, layers, samples, dtype=torch.float64, device=device)

    def add(self, row: Block, column: Block, blocks: Float[Tensor, "l b c"]) -> None:
        flat, diagonal = blocks.flatten(1), row.start == column.start
        self.dot += (flat @ flat.T) * (1 if diagonal else 2)
        self.rows[:, row.start : row.stop] += blocks.sum(2)
        if diagonal:
            self.diagonals[:, row.start : row.stop] = blocks.diagonal(dim1=1, dim2=2)
        else:
            self.rows[:, column.start : column.stop] += blocks.sum(1)

    def sums(self) -> hsic.Sums:
        rows, diagonals = self.rows, self.diagonals
        return hsic.Sums(
            samples=rows.shape[1],
            dot=self.dot,
            rows=rows @ rows.T,
            diagonals=diagonals @ diagonals.T,
            mixed=rows @ diagonals.T,
            totals=rows.sum(1),
            traces=diagonals.sum(1),
        )


def _blocks(read: Read, kernel: Kernel) -> Iterator[tuple[Block, Block, Tensor]]:
    """Every pair of blocks of samples, the second not before the first, and its kernel entries, (l,
    b, c).

    The first sample's features are subtracted from all others. This changes no distance and no
    centred kernel, and avoids products with a large common offset.
    """
    first: list[Tensor] = []
    for row, column in _pairs(read):
        first = first or [layer[0].double() for layer in row.layers]
        entries = [
            kernel(number, *_products(x, y, origin))
            for number, (x, y, origin) in enumerate(zip(row.layers, column.layers, first, strict=True))
        ]
        yield row, column, torch.stack(entries)


def _pairs(read: Read) -> Iterator[tuple[Block, Block]]:
    start = number = 0
    while True:
        blocks = read(number)
        layers = next(blocks, None)
        if layers is None:
            return
        row = column = Block(start, layers)
        yield row, row
        for layers in blocks:
            column = Block(column.stop, layers)
            yield row, column
        start, number = row.stop, number + 1


def _products(x: Tensor, y: Tensor, origin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """<x_i, y_j>, |x_i|^2 and |y_j|^2 relative to ``origin``, in float64, computed for some
    features at a time."""
    products = torch.zeros(len(x), len(y), dtype=torch.float64, device=x.device)
    left, right = products.new_zeros(len(x)), products.new_zeros(len(y))
    step = max(1, CHUNK // max(len(x), len(y)))
    for at in range(0, x.shape[1], step):
        part = slice(at, at + step)
        a = x[:, part].double() - origin[part]
        b = a if x is y else y[:, part].double() - origin[part]
        products.addmm_(a, b.T)
        left += a.pow(2).sum(1)
        right += b.pow(2).sum(1)
    return products, left, right
