"""Sums over n x n kernels, block by block: any number of features, any kernel of distances, no n x n matrix in memory.

The samples come in blocks. A block of the kernel needs two of them, so the blocks are read again and again, in pairs: memory is
that of two blocks, and B blocks are computed B (B + 1) / 2 times. Fewer, larger blocks are faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from didact.analysis import hsic

Read = Callable[[int], Iterator[list[Tensor]]]
"""The blocks of samples from a given one on; a block is every layer's (b, d) features of the same samples."""

Kernel = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer's number, products <x_i, y_j>, squared norms of the x_i, of the y_j) -> (b, c) entries of the kernel, in float64."""

CHUNK = 1 << 22
"""Numbers of a block that are turned into float64 at a time."""

SHIFT = 11
BINS = 1 << 20
"""Bins of squared distances: the float32's bits without the last 11, 4096 bins to every power of two."""


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

    Where that is zero the kernel is constant, for which zero stands: every estimator centres it.
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
    made: _Accumulated | None = None
    seen = 0
    for row, column, blocks in _blocks(read, kernel):
        if made is None:
            made = _Accumulated(len(blocks), samples, blocks.device)
        if column.stop <= samples:
            made.add(row, column, blocks)
        seen = max(seen, column.stop)
    if made is None or seen != samples:
        raise ValueError(f"expected the same {samples} samples whenever the blocks are read, found {seen}")
    return made.sums()


def median_squares(read: Read) -> list[float]:
    """Of every layer, the median squared distance between two different samples. One pass over all pairs of blocks.

    From a histogram of all n (n - 1) / 2 distances, interpolated within a bin; a bin is at most 0.025 % wide.

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
    """The median of what was counted: by its rank within its bin, as if a bin's values were spread evenly."""
    ends = counts.cumsum(0)
    rank = int(ends[-1]) / 2
    found = int(torch.searchsorted(ends, rank))
    if found == 0:
        return 0.0
    low, high = (torch.tensor([found, found + 1], dtype=torch.int32) << SHIFT).view(torch.float32).double().tolist()
    return low + (high - low) * (rank - int(ends[found - 1])) / int(counts[found])


class _Accumulated:
    """Sums over blocks of the upper half of every layer's kernel."""

    def __init__(self, layers: int, samples: int, device: torch.device) -> None:
        self.dot = torch.zeros(layers, layers, dtype=torch.float64, device=device)
        self.rows, self.diagonals = torch.zeros(2, layers, samples, dtype=torch.float64, device=device)

    def add(self, row: Block, column: Block, blocks: Float[Tensor, "l b c"]) -> None:
        flat, own = blocks.flatten(1), row.start == column.start
        self.dot += (flat @ flat.T) * (1 if own else 2)
        self.rows[:, row.start : row.stop] += blocks.sum(2)
        if own:
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
    """Every pair of blocks of samples, the second not before the first, and the kernels' entries for it, (l, b, c).

    Features are taken relative to the first sample's: no distance and no centred kernel changes, and a large common offset
    stays out of the products.
    """
    first: list[Tensor] = []
    for row, column in _pairs(read):
        first = first or [layer[0].double() for layer in row.layers]
        made = [
            kernel(number, *_products(x, y, origin))
            for number, (x, y, origin) in enumerate(zip(row.layers, column.layers, first, strict=True))
        ]
        yield row, column, torch.stack(made)


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
    """<x_i, y_j>, |x_i|^2 and |y_j|^2 relative to ``origin``, in float64, some features at a time."""
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
