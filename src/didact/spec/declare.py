"""Frozen dataclasses that are validated, and those of them that are chosen by name."""

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
    """Make ``cls`` a frozen, keyword-only dataclass that validates its fields and refuses unknown keys.

    Numbers, texts, true and false are taken as they are at any depth: 1.0, true and "1" are no whole numbers.
    A field is described by the docstring below it; an inherited one keeps its description, which pydantic alone would drop.
    A value that cannot be meant raises a :class:`SpecError`, in Python as from JSON.
    """
    cls.__get_pydantic_core_schema__ = classmethod(_strict)  # type: ignore[attr-defined]
    declared = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    for name, info in declared.__pydantic_fields__.items():
        inherited = (getattr(base, "__pydantic_fields__", {}).get(name) for base in declared.__mro__[1:])
        info.description = info.description or next((field.description for field in inherited if field), None)
    declared.__init__ = _explained(declared.__init__)  # type: ignore[method-assign]
    return typing.cast("type[T]", declared)


def _explained(init: Any) -> Any:
    """``__init__`` of a spec, with its faults in words for a person."""

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **fields: Any) -> None:
        try:
            init(self, *args, **fields)
        except ValidationError as error:
            raise SpecError("\n".join(explain(type(self), error, ""))) from None

    return __init__


def _strict(cls: type, source: Any, handler: GetCoreSchemaHandler) -> Any:
    """Pydantic's schema of a spec; its plain values are not converted from one another. Lists still become tuples."""
    schema = handler(source)
    rest: list[Any] = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            if part.get("type") in ("int", "float", "bool", "str"):
                part["strict"] = True
            rest += [inner for key, inner in part.items() if key not in ("default", "metadata", "serialization")]
        elif isinstance(part, list):
            rest += part
    return schema


class Named:
    """A spec that is chosen by name: the file name in one of the packages ``homes`` is the name.

    A class from any other module is named ``module:Class``, so users pass their own without registering anything.

    Attributes:
        version: rises when the part's mathematics changes, so that old Records are not taken for new ones.
        presets: settings by preset name; ``fitnet+kd`` is the file ``fitnet`` with its preset ``kd``.
    """

    homes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def name(cls) -> str:
        """The name under which :func:`choose` finds this class again."""
        home, _, file = cls.__module__.rpartition(".")
        return file if home in cls.homes else f"{cls.__module__}:{cls.__qualname__}"
