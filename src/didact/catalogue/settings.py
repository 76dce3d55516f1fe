"""Every setting of a spec, and of a request, as rows for a help text or a table."""

from __future__ import annotations

import dataclasses
import typing
from typing import Annotated, Any

from didact.method import ForStudent, Method
from didact.request.schema import Request, Setting
from didact.runs.run import method_label
from didact.spec import catalogue, find, type_at

Row = tuple[str, str, str, str]
"""Dotted path, type, default, description."""


def request_settings() -> list[Row]:
    """Everything that ``didact train`` takes, with the settings of methods on the teacher.

    Those of a method for one student come as if it were requested alone, those of others below the
    method's name.
    """
    rows = fields(Request)
    methods = [find(Method, name) for name in catalogue(*Method.homes)]
    for cls in sorted((cls for cls in methods if cls.teaches), key=lambda cls: not issubclass(cls, ForStudent)):
        rows += fields(cls, "teacher.method." if issubclass(cls, ForStudent) else f"teacher.method.{cls.name()}.")
    return [*rows, ("method.*", "", "", "Any setting of the methods in the request; see didact explain METHOD.")]


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
    """A default as a person writes it: 1/12 in six digits, an inner method by its label."""
    if isinstance(value, Method):
        return method_label(value)
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
