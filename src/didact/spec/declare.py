"""Validated frozen dataclasses, and those that users choose by name."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

import pydantic
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, ValidationError

from didact.spec.faults import SpecError, explain

T = TypeVar("T")

_CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field, dataclasses.field))
def spec(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, keyword-only dataclass that validates its fields and refuses unknown
    keys.

    Values are never converted, at any depth: 1.0, true and "1" are not whole numbers. The docstring
    below a field describes it; inherited fields keep their description, which pydantic alone would
    drop. Invalid values raise a :class:`SpecError`, in Python and from JSON.
    """
    cls.__get_pydantic_core_schema__ = classmethod(_strict)  # type: ignore[attr-defined]
    declared = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    for name, info in declared.__pydantic_fields__.items():
        inherited = (getattr(base, "__pydantic_fields__", {}).get(name) for base in declared.__mro__[1:])
        text = info.description or next((field.description for field in inherited if field), None)
        info.description = None if text is None else " ".join(text.split())
    declared.__init__ = _explained(declared.__init__)  # type: ignore[method-assign]
    return typing.cast("type[T]", declared)


def _explained(init: Any) -> Any:
    """``__init__`` of a spec, with readable messages for its faults."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **fields: Any) -> None:
        try:
            init(self, *args, **fields)
        except ValidationError as error:
            raise SpecError("\n".join(explain(type(self), error, ""))) from None

    return __init__


def _strict(cls: type, source: Any, handler: GetCoreSchemaHandler) -> Any:
    """Pydantic's schema of a spec, without conversion of plain values. Lists still become
    tuples."""
    schema = handler(source)
    parts: list[Any] = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if part.get("type") in ("int", "float", "bool", "str"):
                part["strict"] = True
            parts += [inner for key, inner in part.items() if key not in ("default", "metadata", "serialization")]
        elif isinstance(part, list):
            parts += part
    return schema


class Named:
    """A spec that users choose by name: the name of its file in one of the packages ``homes``.

    The name of a class in any other module is ``module:Class``, so users' own classes need no
    registration.

    Attributes:
        homes: packages of the catalogue.
        version: raised when the part's mathematics changes, so that old Records stay distinct from
            new ones.
        presets: settings by preset name; ``fitnet+kd`` is the file ``fitnet`` with its preset
            ``kd``.
    """

    homes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def name(cls) -> str:
        """The name by which :func:`didact.spec.choose` finds this class."""
        home, _, file = cls.__module__.rpartition(".")
        return file if home in cls.homes else f"{cls.__module__}:{cls.__qualname__}"
