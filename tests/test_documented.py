"""Every public name of the package says what it is: the reference is made of these texts."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import didact


def modules() -> Iterator[ModuleType]:
    """The package's modules but the one that runs it."""
    for info in pkgutil.walk_packages(didact.__path__, "didact."):
        if info.name != "didact.__main__":
            yield importlib.import_module(info.name)


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Classes and functions that the module defines, with the methods and properties of the classes."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value
        for member in vars(value) if inspect.isclass(value) else ():
            thing = inspect.getattr_static(value, member)
            documented = isinstance(thing, (staticmethod, classmethod, property)) or inspect.isfunction(thing)
            if documented and not member.startswith("_"):
                yield f"{module.__name__}.{name}.{member}", getattr(value, member)


def test_every_public_name_has_a_docstring() -> None:
    """A method that has its base class's text needs none of its own."""
    names = {name: value for module in modules() for name, value in (("", module), *public(module))}
    assert len(names) > 500
    assert [name for name, value in names.items() if not inspect.getdoc(value)] == []
