"""Settings as people give them: names where there are fields, several names at once, one layer over
another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from didact.data.filled_in import has_labels
from didact.engine.precision import best_precision
from didact.engine.recipe import IN_EIGHT_BITS, Precision
from didact.engine.recipes import settings
from didact.files.reading import DamagedError, content
from didact.spec import SpecError, shown, under

PRECISIONS = (*get_args(Precision), "auto")
"""Of a request; a run has one of the others."""


def recipe_fields(given: Mapping[str, Any], net: str, device: str, at: str) -> dict[str, Any]:
    """All fields of the recipe ``given``, a name and settings, for ``net``: what depends on the
    network or the device is filled in. ``at``: their path.
    """
    fields = {"precision": "auto", **given}
    if fields["precision"] not in PRECISIONS:
        *first, last = map(repr, PRECISIONS)
        raise SpecError(f"{at}.precision: expected {', '.join(first)} or {last} (found {shown(fields['precision'])})")
    if fields["precision"] == "auto":
        fields["precision"] = "fp32" if fields.get("bits") == 8 else best_precision(device)
    with below(at):
        return settings(fields.pop("name"), net) | fields


def named(given: Any, default: str, at: str) -> dict[str, Any]:
    """Settings with a name: ``given`` as they are, under the name ``default`` where they have none.
    ``at``: their path.

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


def as_given(given: Any, at: str) -> dict[str, Any]:
    """Settings as :func:`named` takes them, with a name only where one is given. ``at``: their
    path.
    """
    fields = named(given, "", at)
    return {key: fields[key] for key in given} if isinstance(given, Mapping) else fields


def merged(first: Mapping[str, Any], second: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings ``second`` laid over ``first``; another name starts afresh."""
    second = second or {}
    return {**second} if second.get("name", first["name"]) != first["name"] else {**first, **second}


def in_floats(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a recipe without those of 8 bits, which are a student's alone."""
    return {key: value for key, value in recipe.items() if key not in IN_EIGHT_BITS}


def labelled(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a data set without those of images that have no label, unless no other is for
    training.
    """
    if not has_labels(data):
        return dict(data)
    return {key: value for key, value in data.items() if not key.startswith("unlabelled")}


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


def read_outputs(path: Any, at: str) -> list[int]:
    """The whole numbers in a text file, one a line or separated by white space or commas. ``at``:
    the setting's path.

    Raises:
        SpecError: there is no such file, or it holds something else.
    """
    try:
        text = content(Path(path).expanduser(), largest=2**24).decode()
    except (DamagedError, UnicodeDecodeError, TypeError):
        raise SpecError(f"{at}: expected numbers such as [3,0,1], or a text file of numbers, found {shown(path)}") from None
    words = text.replace(",", " ").split()
    wrong = next((word for word in words if not word.isdecimal()), None)
    if wrong is not None or not words:
        content_shown = shown(wrong) if words else "nothing"
        raise SpecError(f"{at}: {shown(path)} should hold whole numbers, one a line; found {content_shown}")
    return list(map(int, words))


@contextmanager
def below(at: str) -> Iterator[None]:
    """Faults that are found inside are those of the setting ``at``, or of what is below it."""
    try:
        yield
    except SpecError as error:
        raise SpecError(under(at, str(error))) from None
