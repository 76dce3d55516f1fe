"""Similarity of the layers of two networks: CKA after the stem and each block, of the pooled vector
and the logits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from didact.analysis import cka
from didact.nets.blocks import BlockNet
from didact.nets.evaluating import evaluating
from didact.tensors import Images

PARTS = frozenset({"stem", "features", "pooled", "logits"})


@dataclass(frozen=True)
class Compared:
    """CKA of every layer of one network (rows) with every layer of another (columns).

    Attributes:
        rows, columns: names of the layers.
        values: float64, (rows, columns); NaN for layers with the same output for every image.
        images: number of images.
        kind, unbiased: the kind of CKA; see :mod:`didact.analysis.cka`.
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
        """A description of the values: "debiased linear CKA, 797 images"."""
        form = f"{'debiased ' if self.unbiased else ''}{self.kind if self.kind == 'linear' else 'RBF'} CKA"
        return f"{form}{' of pooled maps' if self.pool else ''}, {self.images} images"

    def plain(self) -> dict[str, Any]:
        """As plain JSON data; None for an undefined value."""
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
        settings = {key: plain[key] for key in ("images", "kind", "unbiased", "pool")}
        matrix = torch.tensor(values, dtype=torch.float64)
        return cls(rows=tuple(plain["rows"]), columns=tuple(plain["columns"]), values=matrix, **settings)


def layers(net: BlockNet, images: Images, pool: bool = False) -> dict[str, Float[Tensor, "b d"]]:
    """Outputs of the layers of ``net`` for ``images`` by name, from the stem to the logits; maps as
    (b, c h w).

    Names: "stem", "block NAME" for each block, "pooled", "logits". A slice without stem or head
    lacks their outputs. Computes no gradient. The mode of the network stays as it is, so set it to
    eval mode first.

    Args:
        net: the network.
        images: (b, c, h, w).
        pool: average every channel of a map to one number, (b, c); much cheaper, but loses
            positions.
    """
    with torch.no_grad():
        outputs = net.outputs(images, PARTS)
    maps: dict[str, Tensor] = {} if net.stem is None or outputs.stem is None else {"stem": outputs.stem}
    maps |= {f"block {name}": feature for name, feature in zip(net.blocks, outputs.features, strict=True)}
    flat = {name: feature.mean((2, 3)) if pool else feature.flatten(1) for name, feature in maps.items()}
    ends = {"pooled": outputs.pooled, "logits": outputs.logits}
    return flat | {name: value for name, value in ends.items() if value is not None}


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
    """Exact CKA of every pair of layers of two networks, over all images of ``batches``.

    Narrow layers (``pool``, vectors) need one pass over the batches and memory for products of
    features. Other layers, and the RBF kernel, need memory for the features of two batches, and run
    the networks for every pair of batches: B (B + 1) / 2 times for B batches, twice as often for
    RBF. Larger batches are faster and take more memory.

    Args:
        net_a, net_b: the networks.
        batches: images, (b, c, h, w), on the networks' device: a list, or any iterable that gives
            the same batches in every iteration.
        kind, unbiased, share: see :mod:`didact.analysis.cka`.
        pool: average every channel of a map to one number first.

    Raises:
        ValueError: batches that can be read only once, no images, or fewer images than the
            estimator needs.
    """
    if iter(batches) is batches:
        raise ValueError("batches must be readable more than once, found an iterator; pass a list, or a class with __iter__")
    samples = sum(len(images) for images in batches)
    first = next(iter(batches), None)
    if first is None or not samples:
        raise ValueError("no images to compare networks on")

    def read(start: int) -> Iterator[list[Tensor]]:
        for images in islice(batches, start, None):
            yield [*layers(net_a, images, pool).values(), *layers(net_b, images, pool).values()]

    with evaluating(net_a), evaluating(net_b):
        rows, columns = tuple(layers(net_a, first[:1], pool)), tuple(layers(net_b, first[:1], pool))
        values = cka.matrix(read, samples, len(rows), kind, unbiased, share)
    return Compared(rows, columns, values, samples, kind, unbiased, pool)
