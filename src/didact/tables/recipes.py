"""The table of named recipes. Imports no torch."""

from __future__ import annotations

from didact.engine.recipes import RECIPES
from didact.tables.listing import Listing
from didact.tables.table import Cell


def recipes() -> Listing:
    """Every named recipe."""
    rows: list[list[Cell]] = [
        [name, one.text, one.recipe.epochs, one.recipe.batch_size, one.recipe.learning_rate] for name, one in RECIPES.items()
    ]
    return Listing.of(["recipe", "what it is", "epochs", "batch", "lr"], rows)
