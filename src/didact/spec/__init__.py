"""Plain values: frozen dataclasses that are validated, written as canonical JSON and addressed by a digest.

Every description in didact (a recipe, a method, a whole run) is a frozen dataclass made by :func:`spec`. Such a value
round-trips through JSON, is refused with the full path and the nearest name when a key is wrong, and has a digest that
depends on nothing but its content. Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import json
import math
import pkgutil
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, InstanceOf, Strict, ValidationError
from pydantic_core import PydanticCustomError

from didact.spec.faults import RequestError as RequestError
from didact.spec.faults import SpecError as SpecError
from didact.spec.faults import clean as clean
from didact.spec.faults import clean_lines as clean_lines
from didact.spec.faults import cut as cut
from didact.spec.faults import explain
from didact.spec.faults import nearest as nearest
from didact.spec.faults import shown as shown
from didact.spec.faults import type_at as type_at
from didact.spec.faults import under as under
from didact.spec.foreign import imported

T = TypeVar("T")
N = TypeVar("N", bound="Named")

LARGEST = 1e9
"""No weight, rate or temperature is larger; their squares and products still are numbers of 32 bits."""
SMALLEST = 1e-12
"""No rate or temperature that must be above 0 is smaller."""
MOST = 10**6
"""No count, such as of epochs, images or channels, is larger."""

Flag = Annotated[bool, Strict()]
Number = Annotated[float, Strict(), Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(ge=SMALLEST, le=LARGEST, allow_inf_nan=False)]
NonNegative = Annotated[float, Strict(), Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Share = Annotated[float, Strict(), Field(gt=0, le=1)]
Count = Annotated[int, Strict(), Field(ge=1, le=MOST)]
Amount = Annotated[int, Strict(), Field(ge=1, le=10**15)]
"""What is counted by the million: parameters, operations, bytes."""
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Seeds = Annotated[int, Strict(), Field(ge=1, le=1000)]
"""How many seeds a grid is trained with."""

_CONFIG = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field, dataclasses.field))
def spec(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, keyword-only dataclass whose fields are validated and whose unknown keys are refused.

    Numbers, texts, true and false are taken as they are at any depth: 1.0, true and "1" are no whole numbers.
    A field is described by the docstring below it; an inherited one keeps its description, which pydantic alone would drop.
    """
    cls.__get_pydantic_core_schema__ = classmethod(_strict)  # type: ignore[attr-defined]
    made = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    for name, info in made.__pydantic_fields__.items():
        inherited = (getattr(base, "__pydantic_fields__", {}).get(name) for base in made.__mro__[1:])
        info.description = info.description or next((field.description for field in inherited if field), None)
    return typing.cast("type[T]", made)


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


# ------------------------------------------------------------------------------------------------ parts by name


@functools.cache
def catalogue(*packages: str) -> Mapping[str, str]:
    """The files of ``packages`` as a catalogue: name -> module path, in alphabetical order, without importing them.

    A package may name, as ``apart``, files that hold something else. The packages are listed once.
    """
    found: dict[str, str] = {}
    for package in packages:
        where = importlib.util.find_spec(package)
        if where is None or where.submodule_search_locations is None:
            raise SpecError(f"no package named {package!r}")
        apart = getattr(importlib.import_module(package), "apart", ())
        for module in pkgutil.iter_modules(where.submodule_search_locations):
            if module.name not in apart:
                found[module.name] = f"{package}.{module.name}"
    return types.MappingProxyType(dict(sorted(found.items())))


def find(base: type[N], name: str) -> type[N]:
    """The subclass of ``base`` called ``name``: a file of ``base.homes``, or ``module:Class`` anywhere.

    Raises:
        SpecError: no such name; the nearest ones are listed.
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        files = catalogue(*base.homes)
        name = name if name in files else name.lower().replace("-", "")  # KD, KD-SVD
        if name not in files:
            raise SpecError(f"unknown {base.__name__.lower()} {shown(name)}{nearest(name, files)}")
        module_name = files[name]
    module = imported(name)[0] if class_name else _home(module_name, name)
    members = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, base)]
    if class_name:
        members = [c for c in members if c.__qualname__ == class_name]
    else:
        members = [c for c in members if c.__module__ == module_name]
    if members and not dataclasses.is_dataclass(members[0]):
        raise SpecError(f"{shown(name)}: {members[0].__name__} is not a dataclass; put @didact.spec.spec above it")
    if class_name and not members and hasattr(module, class_name):
        raise SpecError(f"{shown(name)} is no {base.__name__}, found {_kind(getattr(module, class_name))}")
    if len(members) != 1:
        raise SpecError(f"{shown(name)} should hold one {base.__name__}, found {len(members)}")
    return members[0]


def _home(module: str, name: str) -> types.ModuleType:
    """The file of a catalogue."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SpecError(f"cannot import {shown(module)} for {shown(name)}: {error}") from error


def _kind(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"


# ------------------------------------------------------------------------------------------------ values <-> JSON


def to_json(value: Any) -> Any:
    """``value`` as plain JSON data. A :class:`Named` spec carries its name and version beside its fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        head = {"name": value.name(), "version": value.version} if isinstance(value, Named) else {}
        return head | {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value) if not _unsaid(value, f)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpecError(f"a spec holds plain values only, not {type(value).__name__}: {shown(value)}")


def _unsaid(value: Any, field: dataclasses.Field[Any]) -> bool:
    """Whether a field that its class names in ``later`` holds its default: it was added when digests were already in use."""
    return field.name in getattr(type(value), "later", ()) and getattr(value, field.name) == field.default


def canonical(value: Any) -> str:
    """The one JSON text of ``value``: sorted keys, no white space, no NaN."""
    return json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def strict_json(value: Any, indent: int | None = None, *, sort_keys: bool = False) -> str:
    """JSON as RFC 8259 has it, which knows no NaN and no infinity: a number that is not finite is null. For what is reported."""
    return json.dumps(finite(value), indent=indent, sort_keys=sort_keys, allow_nan=False)


def finite(value: Any) -> Any:
    """Plain data with None in the place of every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def digest(value: Any) -> str:
    """16 hexadecimal digits that address ``value`` (SHA-256 of its canonical JSON)."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def from_json(cls: type[T] | Any, data: Any, at: str = "") -> T:
    """Build ``cls``, a spec or a type of plain values, from plain data. ``at`` is the path before the keys in messages.

    Raises:
        SpecError: unknown keys (with the nearest name), wrong types, values out of range; every fault with its path.
    """
    try:
        return _adapter(cls).validate_python(data)
    except ValidationError as error:
        raise SpecError("\n".join(explain(cls, error, at))) from None


@functools.lru_cache(maxsize=256)
def _adapter(cls: Any) -> Any:
    return pydantic.TypeAdapter(cls)


def choose(base: type[N], value: Any) -> N:
    """A :class:`Named` spec from itself, its name (``fitnet``, or with a preset ``fitnet+kd``), or a dict of name and fields.

    Raises:
        SpecError: unknown name, preset or key; a version other than the installed one.
    """
    if isinstance(value, base):
        return value
    fields = {"name": value} if isinstance(value, str) else dict(value)
    if "name" not in fields:
        raise SpecError(f"a {base.__name__.lower()} needs a 'name'")
    name = fields.pop("name")
    if not isinstance(name, str):
        raise SpecError(f"the name of a {base.__name__.lower()} is a text, found {shown(name)}")
    name, plus, preset = name.partition("+")
    cls = find(base, name)
    version = fields.pop("version", cls.version)
    if version != cls.version:
        raise SpecError(f"{name} is at version {cls.version}, the spec asks for {version}")
    if plus and preset not in cls.presets:
        known = nearest(preset, cls.presets) if cls.presets else "; it has none"
        raise SpecError(f"{name} has no preset {shown(preset)}{known}")
    return from_json(cls, {**(cls.presets[preset] if preset else {}), **fields})


def _chosen(base: type[Named]) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if not isinstance(value, (base, str, Mapping)):
            raise SpecError(f"expected the name of a {base.__name__.lower()} or its fields")
        try:
            return choose(base, value)
        except SpecError as error:
            raise PydanticCustomError("chosen", "{faults}", {"faults": str(error)}) from None

    return BeforeValidator(validate)


if typing.TYPE_CHECKING:
    Chosen = Annotated[T, "chosen by name"]
else:

    class Chosen:
        """``Chosen[Method]``: a field that holds any :class:`Named` subclass, read from its name or its fields."""

        def __class_getitem__(cls, base: type) -> Any:
            return Annotated[InstanceOf[base], _chosen(base)]
