"""Rows, columns and scales of a study as its author writes them: checked before anything is planned,
and laid over one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from didact.request.settings import as_given
from didact.spec import SpecError, nearest, shown

NAMED = ("data", "recipe", "method")
"""Settings that may be a name alone."""


def rows(given: Any, at: str) -> dict[str, dict[str, Any]]:
    """Rows or columns: settings by label, with fields where a name was written.

    Args:
        given: as the author writes them.
        at: ``rows`` or ``columns``.

    Raises:
        SpecError: no row, no settings, a network, or a label that is the teachers'.
    """
    found = {}
    for label, layer in _layers(given, at).items():
        here = f"{at}.{label}"
        if label == "teacher":
            raise SpecError(f"{here}: this row is the teachers'; give it another label")
        if "net" in layer:
            raise SpecError(f"{here}.net: networks come from pairs; leave net out")
        if layer.get("teacher") is not None:
            _check_teacher(layer["teacher"], f"{here}.teacher")
        found[label] = _with_fields(layer, NAMED, here)
    if at == "rows" and not found:
        raise SpecError("rows: expected at least one, such as {'kd': {'method': 'kd'}}")
    return found


def scales(given: Any, known: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Settings by scale, with fields where a name was written.

    Args:
        given: as the author writes them.
        known: the settings that a scale may have.

    Raises:
        SpecError: none, or unknown settings.
    """
    found = {}
    for label, layer in _layers(given, "scales").items():
        for key in layer:
            if key not in known:
                raise SpecError(f"scales.{label}.{key}: no such setting{nearest(str(key), known)}")
        found[label] = _with_fields(layer, ("data", "recipe"), f"scales.{label}")
    if not found:
        raise SpecError(
            "scales: expected at least one, such as {'small': {'data': 'digits', 'recipe': 'short', 'seeds': 3}}"
        )
    return found


def laid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The settings ``over`` laid over ``base``, one by one at any depth; another name starts
    afresh."""
    both = {**base, **over}
    for key in base.keys() & over.keys():
        below, above = base[key], over[key]
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            other = "name" in below and above.get("name", below["name"]) != below["name"]
            both[key] = dict(above) if other else laid(below, above)
    return both


def _layers(given: Any, at: str) -> dict[str, Mapping[str, Any]]:
    if not isinstance(given, Mapping):
        raise SpecError(f"{at}: expected settings by label, found {shown(given)}")
    for label, layer in given.items():
        if not isinstance(layer, Mapping):
            raise SpecError(f"{at}.{label}: expected settings, such as {{'method': 'kd'}}; found {shown(layer)}")
    return {str(label): layer for label, layer in given.items()}


def _check_teacher(given: Any, at: str) -> None:
    if not isinstance(given, Mapping) or "net" in given:
        raise SpecError(
            f"{at}: expected settings such as {{'method': 'sftn'}}, or None for no teacher; its network comes from pairs"
        )


def _with_fields(layer: Mapping[str, Any], keys: Sequence[str], at: str) -> dict[str, Any]:
    named = {key: as_given(layer[key], f"{at}.{key}") for key in keys if layer.get(key) is not None}
    return {**layer, **named}
