"""For tests of networks that learn together: tiny groups on digits, and what they end with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.studies.peers import Peer
from didact.studies.run import Run
from didact.studies.store import Store

DATA = Data(name="digits", per_class=4)
RECIPE = Recipe(epochs=2, batch_size=20, schedule="one-cycle")


def pair(
    method: Method, peers: Sequence[str] = ("resnet14",), *, net: str = "resnet8", recipe: Recipe = RECIPE, **fields: Any
) -> Run:
    seed = fields.get("seed", 0)
    others = tuple(Peer(net=peer, recipe=recipe, method=method, seed=seed) for peer in peers)
    return Run(**{"net": net, "data": DATA, "recipe": recipe, "method": method, "peers": others, **fields})


def weights(store: Store, run: Run) -> dict[str, Tensor]:
    record = store.get(run)
    assert record is not None, run.label
    return record.weights()[0]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
