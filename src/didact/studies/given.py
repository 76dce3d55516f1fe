"""Settings as people give them: names where there are fields, several names at once, short forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from didact.engine.recipe import best_precision, settings
from didact.spec import SpecError, nearest


def recipe_fields(given: Any, net: str, device: str) -> dict[str, Any]:
    """All fields of a recipe for ``net``: what depends on the network or the device is filled in."""
    fields = {"precision": "auto"} | named(given, "short")
    if fields["precision"] == "auto":
        fields["precision"] = best_precision(device)
    return settings(fields.pop("name"), net) | fields


def short_forms(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Epochs and precision put into the recipe.

    Raises:
        SpecError: the recipe says something else already.
    """
    wanted = dict(wanted)
    for key in ("epochs", "precision"):
        if key in wanted:
            recipe = named(wanted.get("recipe"), "short")
            if recipe.get(key, wanted[key]) != wanted[key]:
                raise SpecError(f"{key}: {key}={wanted[key]} contradicts recipe.{key}={recipe[key]}")
            wanted["recipe"] = recipe | {key: wanted.pop(key)}
    return wanted


def named(given: Any, default: str) -> dict[str, Any]:
    """Settings with a name: ``given`` as they are, under the name ``default`` where they have none."""
    if isinstance(given, (list, tuple)):
        given = ",".join(given)
    return {"name": default} | ({} if given is None else {"name": given} if isinstance(given, str) else dict(given))


def merged(first: dict[str, Any], second: Any) -> dict[str, Any]:
    """The settings ``second`` laid over ``first``; a different name starts afresh."""
    second = named(second, first["name"])
    return second if second["name"] != first["name"] else first | second


def several(given: Any) -> list[str]:
    """The names in a text, separated by commas.

    Raises:
        SpecError: there is none, or an empty one.
    """
    names = [part.strip() for part in given.split(",")] if isinstance(given, str) else list(given)
    if not names or not all(names):
        raise SpecError(f"expected a name, or names separated by commas, found {given!r}")
    return names


def only_known(given: Mapping[str, Any], keys: tuple[str, ...], at: str) -> None:
    """Refuse settings that are none of ``keys``; ``at`` is the path before them, with its dot."""
    for key in given:
        if key not in keys:
            raise SpecError(f"{at}{key}: no such setting{nearest(key, keys)}")
