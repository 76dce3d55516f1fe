"""How similar any two layers of two networks are: CKA after the stem and each block, of the pooled vector and the logits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from didact.analysis import cka
from didact.nets.blocks import BlockNet
from didact.tensors import Images

PARTS = frozenset({"stem", "features", "pooled", "logits"})


@dataclass(frozen=True)
class Compared:
    """CKA of every layer of one network (a row each) with every layer of another (a column each).

    Attributes:
        rows, columns: names of the layers.
        values: float64, (rows, columns); NaN where a layer shows the same for every image.
        images: how many were shown.
        kind, unbiased: which CKA; see :mod:`didact.analysis.cka`.
        pool: whether each channel of a map was averaged to one number.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Float[Tensor, "a b"]
    images: int
    kind: cka.Kind
    unbiased: bool
    pool: bool

    @property
    def title(self) -> str:
        """What the values are: "debiased linear CKA, 797 images"."""
        form = f"{'debiased ' if self.unbiased else ''}{self.kind if self.kind == 'linear' else 'RBF'} CKA"
        return f"{form}{' of pooled maps' if self.pool else ''}, {self.images} images"

    def plain(self) -> dict[str, Any]:
        """As plain JSON data; None where a value is not defined."""
        values = [[None if value != value else value for value in row] for row in self.values.tolist()]
        names = {"rows": list(self.rows), "columns": list(self.columns)}
        return names | {
            "values": values,
            "images": self.images,
            "kind": self.kind,
            "unbiased": self.unbiased,
            "pool": self.pool,
        }

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Compared:
        """From :meth:`plain`."""
        values = [[torch.nan if value is None else value for value in row] for row in plain["values"]]
        rest = {key: plain[key] for key in ("images", "kind", "unbiased", "pool")}
        found = torch.tensor(values, dtype=torch.float64)
        return cls(rows=tuple(plain["rows"]), columns=tuple(plain["columns"]), values=found, **rest)


def layers(net: BlockNet, images: Images, pool: bool = False) -> dict[str, Float[Tensor, "b d"]]:
    """What ``net`` shows for ``images``, from the stem to the logits, by name; maps flattened to (b, c h w).

    Names: "stem", "block 1" and so on as the network's blocks are called, "pooled", "logits"; a slice lacks those of the
    stem or head that it lacks. No gradient; the network is run as it stands, so put it into eval mode first.

    Args:
        pool: average every channel of a map to one number, (b, c); far cheaper, and blind to where something is seen.
    """
    with torch.no_grad():
        seen = net.outputs(images, PARTS)
    found: dict[str, Tensor] = {} if net.stem is None or seen.stem is None else {"stem": seen.stem}
    found |= {f"block {name}": feature for name, feature in zip(net.blocks, seen.features, strict=True)}
    found = {name: feature.mean((2, 3)) if pool else feature.flatten(1) for name, feature in found.items()}
    ends = {"pooled": seen.pooled, "logits": seen.logits}
    return found | {name: value for name, value in ends.items() if value is not None}


def compare(
    net_a: BlockNet,
    net_b: BlockNet,
    batches: Iterable[Tensor],
    kind: cka.Kind = "linear",
    unbiased: bool = False,
    *,
    pool: bool = False,
    share: float = cka.SHARE,
) -> Compared:
    """CKA between any two layers of two networks, over all images of ``batches``, exactly.

    Narrow layers (``pool``, vectors) need one pass over the batches and memory for products of features. Otherwise, and for
    the RBF kernel, memory is that of the features of two batches, and the networks see every pair of batches: B (B + 1) / 2
    batches for B of them, twice that for RBF. Larger batches are faster and take more memory.

    Args:
        batches: images, (b, c, h, w), on the networks' device; a list, or anything that gives the same batches whenever it is
            iterated.
        kind, unbiased, share: see :mod:`didact.analysis.cka`.
        pool: average every channel of a map to one number first.

    Raises:
        ValueError: batches that can be read only once, no images, or fewer than the estimator needs.
    """
    if iter(batches) is batches:
        raise ValueError("batches are read more than once, and this is an iterator; pass a list, or a class with __iter__")
    samples = sum(len(images) for images in batches)
    first = next(iter(batches), None)
    if first is None or not samples:
        raise ValueError("no images to compare networks on")

    def read(start: int) -> Iterator[list[Tensor]]:
        for images in islice(batches, start, None):
            yield [*layers(net_a, images, pool).values(), *layers(net_b, images, pool).values()]

    with _evaluating(net_a), _evaluating(net_b):
        rows, columns = tuple(layers(net_a, first[:1], pool)), tuple(layers(net_b, first[:1], pool))
        values = cka.matrix(read, samples, len(rows), kind, unbiased, share)
    return Compared(rows, columns, values, samples, kind, unbiased, pool)


@contextmanager
def _evaluating(net: BlockNet) -> Iterator[None]:
    """Eval mode: what a network shows for an image then depends on no other image. Every part has its own mode back after."""
    modes = [(part, part.training) for part in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
