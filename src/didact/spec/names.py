"""Parts chosen by name: files of a package, or ``module:Class`` for users' code; and fields that
hold such a part."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import inspect
import pkgutil
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, InstanceOf
from pydantic_core import PydanticCustomError

from didact.spec.codec import from_json
from didact.spec.declare import Named
from didact.spec.faults import SpecError, nearest, shown
from didact.spec.foreign import imported

T = TypeVar("T")
N = TypeVar("N", bound="Named")


@functools.cache
def catalogue(*packages: str) -> Mapping[str, str]:
    """Module path by name for the files of ``packages``, in alphabetical order, without importing
    them.

    A package can exclude files by naming them in ``apart``. The result is cached.
    """
    modules: dict[str, str] = {}
    for package in packages:
        location = importlib.util.find_spec(package)
        if location is None or location.submodule_search_locations is None:
            raise SpecError(f"no package named {package!r}")
        apart = getattr(importlib.import_module(package), "apart", ())
        for module in pkgutil.iter_modules(location.submodule_search_locations):
            if module.name not in apart:
                modules[module.name] = f"{package}.{module.name}"
    return types.MappingProxyType(dict(sorted(modules.items())))


def find(base: type[N], name: str) -> type[N]:
    """The subclass of ``base`` called ``name``: a file of ``base.homes``, or ``module:Class``
    anywhere.

    Raises:
        SpecError: no such name. The message lists the nearest ones.
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
    others = [c.__name__ for c in members if c.__module__ == module.__name__]
    if class_name:
        members = [c for c in members if c.__qualname__ == class_name]
    else:
        members = [c for c in members if c.__module__ == module_name]
    if members and (not dataclasses.is_dataclass(members[0]) or _undeclared(members[0])):
        raise SpecError(f"{shown(name)}: {members[0].__name__} is not a dataclass; put @didact.spec.spec above it")
    lacking = sorted(getattr(members[0], "__abstractmethods__", ())) if members else []
    if lacking:
        raise SpecError(f"{shown(name)}: {members[0].__name__} has no {' and no '.join(map(repr, lacking))}; write it")
    if class_name and not members and hasattr(module, class_name):
        raise SpecError(f"{shown(name)} is no {base.__name__}, found {_kind(getattr(module, class_name))}")
    if len(members) != 1:
        meant = nearest(class_name, others) if class_name else ""
        raise SpecError(f"{shown(name)} should hold one {base.__name__}, found {len(members)}{meant}")
    return members[0]


def _undeclared(cls: type) -> bool:
    """Whether a subclass of a dataclass adds settings without being a dataclass itself."""
    annotations = inspect.get_annotations(cls).values()
    return "__dataclass_fields__" not in vars(cls) and any("ClassVar" not in str(kind) for kind in annotations)


def _home(module: str, name: str) -> types.ModuleType:
    """The file of a catalogue."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SpecError(f"cannot import {shown(module)} for {shown(name)}: {error}") from error


def _kind(thing: Any) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"


def choose(base: type[N], value: Any) -> N:
    """A :class:`Named` spec from a spec, a name (``fitnet``, or with a preset ``fitnet+kd``), or
    name and fields.

    Raises:
        SpecError: unknown name, preset or key, or a version other than the installed one.
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


def full_name(part: Named) -> str:
    """The name of a :class:`Named` spec, with its preset where its settings are exactly a preset's:
    ``fitnet+kd``."""
    cls, name = type(part), part.name()
    given = {field: getattr(part, field) for field in required(cls)}
    fits = (preset for preset, fields in cls.presets.items() if part == from_json(cls, {**fields, **given}))
    return next((f"{name}+{preset}" for preset in fits), name)


def required(cls: type) -> list[str]:
    """The settings of a spec that have no default."""
    nothing = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(cls) if f.default is nothing and f.default_factory is nothing]


def _chosen(base: type[Named]) -> BeforeValidator:
    def validate(value: Any) -> Any:
        if not isinstance(value, (base, str, Mapping)):
            raise SpecError(f"expected the name of a {base.__name__.lower()} or its fields (found {shown(value)})")
        try:
            return choose(base, value)
        except SpecError as error:
            raise PydanticCustomError("chosen", "{faults}", {"faults": str(error)}) from None

    return BeforeValidator(validate)


if typing.TYPE_CHECKING:
    Chosen = Annotated[T, "chosen by name"]
else:

    class Chosen:
        """``Chosen[Method]``: a field that holds any subclass of Method, read from its name or its
        fields."""

        def __class_getitem__(cls, base: type) -> Any:
            return Annotated[InstanceOf[base], _chosen(base)]
