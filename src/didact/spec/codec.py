"""Values as plain JSON data and back, their canonical text and their digest."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic
from pydantic import ValidationError

from didact.spec.declare import Named
from didact.spec.faults import SpecError, explain, shown

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """``value`` as plain JSON data. A :class:`Named` spec carries its name and version with its
    fields."""
    if value is None or isinstance(value, (bool, int, float, str)):  # most values: asked first
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        head = {"name": value.name(), "version": value.version} if isinstance(value, Named) else {}
        fields = ((name, getattr(value, name), default) for name, default in _fields(type(value)))
        return head | {name: to_json(inner) for name, inner, default in fields if default is _SAID or inner != default}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    raise SpecError(f"a spec holds plain values only, not {type(value).__name__}: {shown(value)}")


_SAID = object()
"""Stands for the default of a field that is always written."""


@functools.lru_cache(maxsize=1024)
def _fields(cls: type) -> tuple[tuple[str, Any], ...]:
    """The fields of a dataclass, each with the default at which it is left out: its class names it in
    ``later`` (added after digests were in use)."""
    later = getattr(cls, "later", ())
    return tuple((field.name, field.default if field.name in later else _SAID) for field in dataclasses.fields(cls))


def canonical(value: Any) -> str:
    """The canonical JSON text of ``value``: sorted keys, no white space, no NaN."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def strict_json(value: Any, indent: int | None = None, *, sort_keys: bool = False) -> str:
    """JSON by RFC 8259, for reports: numbers that are not finite become null."""
    return json.dumps(finite(value), indent=indent, sort_keys=sort_keys, allow_nan=False)


def finite(value: Any) -> Any:
    """Plain data with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def digest(value: Any) -> str:
    """The address of ``value``: the first 16 hexadecimal digits of the SHA-256 of its canonical
    JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def from_json(cls: type[T] | Any, data: Any, at: str = "") -> T:
    """Build ``cls``, a spec or a type of plain values, from plain data. ``at``: path before the
    keys in messages.

    Raises:
        SpecError: unknown keys (with the nearest name), wrong types, or values out of range, each
            with its path.
    """
    try:
        return _adapter(cls).validate_python(data)
    except ValidationError as error:
        raise SpecError("\n".join(explain(cls, error, at))) from None


@functools.lru_cache(maxsize=256)
def _adapter(cls: Any) -> Any:
    return pydantic.TypeAdapter(cls)
