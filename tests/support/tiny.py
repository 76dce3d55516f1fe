"""Runs so small that a test can train them: 60 digits, the smallest networks, two epochs."""

from __future__ import annotations

from typing import Any

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.runs.run import Run
from didact.spec import choose

DATA = Data(name="digits", per_class=6)
RECIPE = Recipe(epochs=2, batch_size=16, schedule="one-cycle")


def make(method: Any = "ce", *, net: str = "resnet8", **fields: Any) -> Run:
    """A tiny run; methods that read a teacher get a standard resnet8."""
    chosen = choose(Method, method)
    if chosen.needs.teacher:
        fields.setdefault("teacher", Run(net="resnet8", data=DATA, recipe=RECIPE, seed=100))
    return Run(net=net, **{"data": DATA, "recipe": RECIPE, "method": chosen, **fields})
