"""A study's settings: those of the request over those of a named scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from didact.request.settings import named, several
from didact.spec import SpecError, nearest, shown

PASSED = ("data", "recipe", "data_seed", "epochs", "precision")
"""Settings that a study passes on as in ``didact train``."""


def settings(
    wanted: Mapping[str, Any], scales: Mapping[str, Mapping[str, Any]], keys: Sequence[str], usual: str = "small"
) -> dict[str, Any]:
    """``wanted`` laid over the scale that it names (``usual`` when none); settings inside a setting are laid over one by one.

    ``keys``: the study's own settings, beside those that it passes on.

    Raises:
        SpecError: an unknown setting or scale.
    """
    known = ("scale", *keys, *PASSED)
    for key in wanted:
        if key not in known:
            raise SpecError(f"{key}: no such setting{nearest(key, known)}")
    scale = wanted.get("scale", usual)
    if not isinstance(scale, str) or scale not in scales:
        raise SpecError(f"scale: unknown {shown(scale)}{nearest(str(scale), scales)}")
    base = scales[scale]
    found = {**base, **{key: value for key, value in wanted.items() if key != "scale"}}
    for key, fields in base.items():
        if isinstance(fields, Mapping):
            short = {k: v for k, v in fields.items() if k not in wanted}  # epochs and precision have short forms
            found[key] = _laid_over(short, wanted.get(key), key)
    return found


@contextmanager
def told_as(at: str, given: Any) -> Iterator[None]:
    """Faults in the settings ``given`` of a method, found at the path ``at``, are reported under the method's name: where a
    study takes them."""
    try:
        yield
    except SpecError as error:
        name = given.get("name") if isinstance(given, Mapping) else None
        text = str(error)
        raise SpecError(f"{name}.{text.removeprefix(f'{at}.')}" if name and text.startswith(f"{at}.") else text) from None


def of_method(given: Any, name: str, at: str, varied: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The settings ``given`` of the method ``name``, with its name. ``at``: their path. ``varied``: by setting that the study
    sets itself, what to write instead.

    Raises:
        SpecError: no settings, those of another method, or a setting that the study sets itself.
    """
    fields = {"name": ""} if isinstance(given, (list, tuple)) else named(given, name, at)
    if fields["name"] != name:
        raise SpecError(f"{at}: expected settings of the method {name}, such as {at}.SETTING; found {shown(given)}")
    for field, instead in (varied or {}).items():
        if field in fields:
            raise SpecError(f"{at}.{field}: the study sets it itself; {instead}, and leave {at}.{field} out")
    return fields


def _laid_over(base: dict[str, Any], given: Any, at: str) -> dict[str, Any]:
    """The settings ``given`` over ``base``; another name starts afresh. ``at``: their path."""
    if given is None:
        return base
    if isinstance(given, (list, tuple)):
        given = ",".join(several(given, at))
    if isinstance(given, str):
        given = {"net" if "net" in base else "name": given}
    if not isinstance(given, Mapping):
        raise SpecError(f"{at}: expected a name, or settings such as {at}.{next(iter(base), 'name')}; found {shown(given)}")
    same = given.get("name", base.get("name")) == base.get("name")
    return {**base, **given} if same else dict(given)
