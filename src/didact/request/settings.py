"""Settings as people give them: names where there are fields, several names at once, short forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from didact.engine.recipe import best_precision, settings
from didact.spec import SpecError, cut, nearest, shown, under


def recipe_fields(given: Any, net: str, device: str, at: str) -> dict[str, Any]:
    """All fields of a recipe for ``net``: what depends on the network or the device is filled in. ``at``: their path."""
    fields = {"precision": "auto"} | named(given, "short", at)
    if fields["precision"] == "auto":
        fields["precision"] = best_precision(device)
    with below(at):
        return settings(fields.pop("name"), net) | fields


def short_forms(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Epochs and precision put into the recipe.

    Raises:
        SpecError: the recipe says something else already.
    """
    wanted = dict(wanted)
    for key in ("epochs", "precision"):
        if key in wanted:
            recipe = named(wanted.get("recipe"), "short", "recipe")
            if recipe.get(key, wanted[key]) != wanted[key]:
                raise SpecError(
                    f"{key}: {key}={shown(wanted[key])} contradicts recipe.{key}={shown(recipe[key])}; write one of them"
                )
            wanted["recipe"] = recipe | {key: wanted.pop(key)}
    return wanted


def named(given: Any, default: str, at: str) -> dict[str, Any]:
    """Settings with a name: ``given`` as they are, under the name ``default`` where they have none. ``at``: their path.

    Raises:
        SpecError: neither a name, nor a list of names, nor settings; or a name that is no text.
    """
    if isinstance(given, (list, tuple)):
        given = ",".join(several(given, at))
    if given is None or isinstance(given, str):
        return {"name": default if given is None else given}
    if not isinstance(given, Mapping):
        raise SpecError(f"{at}: expected a name, or settings such as {at}.name; found {shown(given)}")
    name = given.get("name", default)
    if isinstance(name, (list, tuple)):
        name = ",".join(several(name, f"{at}.name"))
    if not isinstance(name, str):
        raise SpecError(f"{at}.name: expected a name, found {shown(name)}")
    return {**given, "name": name}


def merged(first: dict[str, Any], second: Any, at: str) -> dict[str, Any]:
    """The settings ``second`` laid over ``first``; a different name starts afresh."""
    second = named(second, first["name"], at)
    return second if second["name"] != first["name"] else first | second


def several(given: Any, at: str) -> list[str]:
    """The names in a text, separated by commas, or in a list. ``at``: the setting's path.

    Raises:
        SpecError: there is none, an empty one, or something that is no text.
    """
    names = given.split(",") if isinstance(given, str) else given
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        names = [name.strip() for name in names]
        if names and all(names):
            return names
    raise SpecError(f"{at}: expected a name, or names separated by commas, found {shown(given)}")


def only_known(given: Mapping[str, Any], keys: tuple[str, ...], at: str) -> None:
    """Refuse settings that are none of ``keys``; ``at`` is the path before them, with its dot."""
    for key in given:
        if key not in keys:
            raise SpecError(f"{at}{cut(key)}: no such setting{nearest(key, keys)}")


@contextmanager
def below(at: str) -> Iterator[None]:
    """Faults that are found inside are those of the setting ``at``, or of what is below it."""
    try:
        yield
    except SpecError as error:
        raise SpecError(under(at, str(error))) from None
