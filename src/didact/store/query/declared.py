"""The fields that the description of a run may have, whether a store has a run with them or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

from didact.method import Method
from didact.runs.run import Run
from didact.spec import SpecError, catalogue, find, type_at


def has(field: str) -> bool:
    """Whether a run's description may have ``field``: ``start``, ``teacher.method.temperature``."""
    *parents, name = field.split(".")
    return name in _names(parents)


def beside(field: str) -> set[str]:
    """All fields in the place of ``field``."""
    *parents, _ = field.split(".")
    return {".".join([*parents, name]) for name in _names(parents)}


def _names(parents: Sequence[str]) -> set[str]:
    """The fields of the description at a path; of a method those of every method."""
    path = [part for part in parents if not part.isdecimal()]  # places in a list
    if path[-1:] == ["method"] and type_at(Run, path[:-1]) is not None:
        return {"name", "version"}.union(*map(_fields, catalogue(*Method.homes)))
    owner = type_at(Run, path)
    return set() if owner is None else {each.name for each in dataclasses.fields(owner)}


def _fields(method: str) -> set[str]:
    try:
        return {each.name for each in dataclasses.fields(cast("Any", find(Method, method)))}
    except SpecError:  # a library that this method needs is missing
        return set()
