"""Recipes that have a name, with the source of their values.

``paper``: RepDistiller's CIFAR-100 set-up, which the SFTN paper adopts (240 epochs, batch 64, SGD 0.05 or 0.01, x0.1 after
epochs 150, 180 and 210). ``short``: one cycle (linear rise, cosine fall to zero) over as many epochs as asked.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from didact.engine.recipe import Recipe
from didact.nets import entry
from didact.spec import SpecError, nearest, shown, to_json

_PAPER_RATE = 0.05  # the papers' rate for ordinary networks, to which an entry's own rate is compared


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe that has a name.

    Attributes:
        text: what it is, in a line.
        gentle: whether networks with a lower rate in the papers on CIFAR-100 (ShuffleNet, MobileNet) take so much less of this
            one's, too.
    """

    text: str
    recipe: Recipe
    gentle: bool = False


RECIPES: dict[str, NamedRecipe] = {
    "paper": NamedRecipe(
        "240 epochs, batch 64, SGD 0.05 (0.01 for ShuffleNet and MobileNet), x0.1 at 150, 180, 210", Recipe(), gentle=True
    ),
    "short": NamedRecipe(
        "one cycle over as many epochs as asked, batch 128, peak 0.1 (0.02 for ShuffleNet and MobileNet)",
        Recipe(epochs=12, batch_size=128, learning_rate=0.1, schedule="one-cycle"),
        gentle=True,
    ),
}


def complete(recipe: Recipe) -> dict[str, Any]:
    """Every field of a recipe as plain JSON data, also those that its canonical text leaves out at their defaults."""
    return {field.name: to_json(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)}


def settings(name: str, net: str) -> dict[str, Any]:
    """The fields of the recipe called ``name`` for the network ``net``, ready to be overridden.

    Raises:
        SpecError: no recipe of that name.
    """
    if name not in RECIPES:
        raise SpecError(f"unknown recipe {shown(name)}{nearest(name, RECIPES)}")
    named = RECIPES[name]
    gentle = entry(net).paper_rate / _PAPER_RATE if named.gentle else 1.0
    return complete(named.recipe) | {"learning_rate": named.recipe.learning_rate * gentle}
