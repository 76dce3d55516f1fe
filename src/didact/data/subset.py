"""Which training images are kept and which are set aside: stratified, drawn from a named stream,
recorded as indices.
"""

from __future__ import annotations

import torch
from torch import Tensor

from didact.data.settings import Data
from didact.seeds import stream
from didact.spec import SpecError


def cut(labels: Tensor, data: Data) -> tuple[Tensor, Tensor | None]:
    """Rows to train on and rows set aside (None when ``data.validation`` is 0), both ascending.

    Each class is shuffled by a stream of its own, so a smaller fraction keeps a subset of what a
    larger one keeps, and the images set aside are the first of the kept ones. A class keeps at
    least one image to train on.

    Args:
        labels: classes of the published training images, (n,), on the CPU.
        data: ``fraction``, ``per_class``, ``validation`` and ``split_seed`` are read.

    Raises:
        SpecError: a validation split is asked for, and no class has an image to spare.
    """
    if not len(labels):
        return torch.zeros(0, dtype=torch.long), None
    train, aside = [], []
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero().flatten()
        shuffled = rows[torch.randperm(len(rows), generator=stream(data.split_seed, "split", label))]
        kept = max(1, round(data.fraction * len(rows)))
        if data.per_class is not None:
            kept = min(kept, data.per_class)
        spared = min(round(data.validation * kept), kept - 1)
        aside.append(shuffled[:spared])
        train.append(shuffled[spared:kept])
    if data.validation == 0:
        return _ascending(train), None
    if not any(len(rows) for rows in aside):
        most = max(map(len, train))
        raise SpecError(
            f"validation: a share of {data.validation:g} of at most {most} images a class sets none aside; "
            "ask for a larger share, or keep more images (fraction, per_class)"
        )
    return _ascending(train), _ascending(aside)


def _ascending(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts).sort().values
