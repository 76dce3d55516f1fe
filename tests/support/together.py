"""For tests of networks that learn together: tiny groups on digits, and what they end with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.runs.groups import Peer
from didact.runs.run import Run

DATA = Data(name="digits", per_class=4)
SMALL, OTHER = "basic-4-1x4-1x6-1x8", "basic-4-1x4-1x6-1x10"
"""Networks with which a training takes half as long as with resnet8."""
RECIPE = Recipe(epochs=2, batch_size=20, schedule="one-cycle")


def pair(
    method: Method, peers: Sequence[str] = ("resnet14",), *, net: str = "resnet8", recipe: Recipe = RECIPE, **fields: Any
) -> Run:
    seed = fields.get("seed", 0)
    others = tuple(Peer(net=peer, recipe=recipe, method=method, seed=seed) for peer in peers)
    return Run(**{"net": net, "data": DATA, "recipe": recipe, "method": method, "peers": others, **fields})
