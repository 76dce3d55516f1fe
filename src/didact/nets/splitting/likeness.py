"""Whether two networks are made in the same way, as far as their modules and attributes show."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn


def likeness(model: nn.Module) -> Hashable:
    """What networks have in common that were made in the same way: classes and plain attributes of
    their modules, functions that they hold, and shapes of their parameters and buffers. Objects
    that Python code describes in full, such as a configuration, count by their class and
    attributes.

    None where some attribute may hold anything else: then two networks that look alike might
    differ.
    """
    seen = _Seen()
    total = hashlib.sha256()
    try:
        for path, module in model.named_modules(remove_duplicate=False):
            total.update(f"{path} {seen.code(type(module))} {seen.first(module, path)}\n".encode())
            for key, value in vars(module).items():
                total.update(f"{key} {seen.shown(value, f'{path}.{key}')}\n".encode())
    except _HiddenError:
        return None
    return total.hexdigest(), tuple(seen.objects)


class _HiddenError(Exception):
    """Something that may hold anything."""


class _Seen:
    """Attributes as texts.

    Attributes:
        objects: classes and functions; a file that is imported again has others of the same names.
    """

    def __init__(self) -> None:
        self.objects: dict[Any, int] = {}
        self._first: dict[int, str] = {}

    def code(self, value: Any) -> str:
        """A class or a function by its number among :attr:`objects`."""
        return f"code {self.objects.setdefault(value, len(self.objects))}"

    def first(self, value: Any, path: str) -> str:
        """Where ``value`` was seen first: modules and tensors may be shared."""
        return self._first.setdefault(id(value), path)

    def shown(self, value: Any, path: str) -> str:
        """An attribute's value."""
        if isinstance(value, nn.Module):
            return "module"  # in its own place
        if isinstance(value, Tensor):
            return f"{tuple(value.shape)} {value.dtype} {value.device} {value.requires_grad} {self.first(value, path)}"
        if isinstance(value, dict):
            return str([(self.shown(k, path), self.shown(inner, f"{path}.{k}")) for k, inner in value.items()])
        if isinstance(value, tuple | list):
            return f"{type(value).__name__}{[self.shown(inner, f'{path}.{i}') for i, inner in enumerate(value)]}"
        if isinstance(value, set | frozenset):
            return str(sorted(self.shown(inner, path) for inner in value))
        if value is None or isinstance(value, bool | int | float | str | torch.dtype | torch.device):
            return repr(value)
        owner = getattr(value, "__self__", None)
        function = isinstance(value, FunctionType | BuiltinFunctionType) and (owner is None or isinstance(owner, ModuleType))
        if isinstance(value, type | Enum) or (function and not getattr(value, "__closure__", None)):
            return self.code(value)
        if isinstance(value, partial):
            return f"partial {self.shown((value.func, value.args, value.keywords), path)}"
        state = _state(value)
        first = self.first(value, path)  # objects may hold each other
        return f"{self.code(type(value))} {self.shown(state, path) if first == path else first}"


def _state(value: Any) -> Any:
    """The attributes of an object that has nothing else, in ``__dict__`` or in slots.

    Raises:
        _HiddenError: it holds more, or its class says by itself what is copied of it.
    """
    kind = type(value)
    if any(getattr(kind, name) is not getattr(object, name) for name in ("__getstate__", "__reduce__", "__reduce_ex__")):
        raise _HiddenError
    if kind is object:
        raise _HiddenError  # it differs from others by nothing but its identity
    try:
        return object.__reduce_ex__(value, 2)[2]  # type: ignore[index]
    except TypeError:  # it is kept in C
        raise _HiddenError from None
