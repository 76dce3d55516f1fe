"""Every setting of a spec as rows for a help text or a table. Imports no torch."""

from __future__ import annotations

import dataclasses
import typing
from typing import Annotated, Any

from didact.spec import Named, Setting, full_name, type_at

Row = tuple[str, str, str, str]
"""Dotted path, type, default, description."""


def fields(cls: type, at: str = "", within: tuple[type, ...] = ()) -> list[Row]:
    """Every setting of a spec; nested specs are walked, but for a field that holds one of several,
    which is given as a whole."""
    rows: list[Row] = []
    hints = typing.get_type_hints(cls, include_extras=True)
    described = getattr(cls, "__pydantic_fields__", {})
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        path = f"{at}{field.name}"
        inner = type_at(cls, [field.name])
        if inner is not None and inner not in (cls, *within) and len(_specs(hints[field.name])) == 1:
            rows += fields(inner, f"{path}.", (cls, *within))
            continue
        info = described.get(field.name)
        shown = next((part for part in getattr(hints[field.name], "__metadata__", ()) if isinstance(part, Setting)), None)
        if shown is not None:
            rows.append((path, shown.kind, shown.default, (info and info.description) or ""))
            rows += _below(shown, f"{path}.")
            continue
        default = "required" if info is None or info.is_required() else _shown(info.get_default(call_default_factory=True))
        rows.append((path, _type_name(hints[field.name]), default, (info and info.description) or ""))
    return rows


def _below(shown: Setting, at: str) -> list[Row]:
    """The settings below one of a request, with the defaults that hold there."""
    rows: list[Row] = []
    for path, kind, default, text in fields(shown.below, at) if shown.below is not None else []:
        usual = str(shown.defaults.get(path.removeprefix(at), default))
        words = kind.split(" | ")
        more = [usual] if len(words) > 1 and usual != default and usual not in words else []  # auto is no value of a run
        rows.append((path, " | ".join([*words, *more]), usual, text))
    return rows


def _specs(hint: Any) -> list[type]:
    """The specs that a field of this type may hold."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return [hint]
    return [spec for inner in typing.get_args(hint) for spec in _specs(inner)]


def _shown(value: Any) -> str:
    """A default as a person writes it: 1/12 in six digits, a part by its name."""
    if isinstance(value, Named):
        return full_name(value)
    return f"{value:.6g}" if isinstance(value, float) and len(repr(value)) > 8 else repr(value)


def _type_name(hint: Any) -> str:
    """A type as a person writes it: ``float``, ``'a' | 'b'``, ``int or none``."""
    if typing.get_origin(hint) is Annotated:
        return _type_name(typing.get_args(hint)[0])
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(str(a) for a in typing.get_args(hint))
    if hint is type(None):
        return "none"
    arguments = typing.get_args(hint)
    if arguments and typing.get_origin(hint) not in (tuple, list):
        return " or ".join(_type_name(a) for a in arguments)
    return getattr(hint, "__name__", str(hint)).lower()
