"""For tests of the store: what a Record holds, compared bit by bit, and a kill."""

from __future__ import annotations

import torch
from torch import Tensor

from didact.runs.run import Run
from didact.store.store import Store


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def weights(store: Store, run: Run) -> dict[str, Tensor]:
    record = store.get(run)
    assert record is not None, run.label
    return record.weights()[0]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
