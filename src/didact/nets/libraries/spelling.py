"""Names of networks of other libraries:
``library:name+argument=value+argument=value@structure``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from didact.spec import SpecError, shown

LIBRARIES = ("timm", "torchvision", "hf", "pytorchcv")
"""What a name begins with."""

Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]
"""What an argument may be: a word, a number, true, false, none, or a list of them."""
DIVISION = ("blocks", "cuts")
"""Arguments that are not the library's: how many blocks the network is split into at most, or the
modules that end blocks."""

_STRUCTURE = re.compile(r"(.*)@([0-9a-f]{10})", re.DOTALL)
_ARGUMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)(e-?\d+)?", re.ASCII)
_WORDS: Mapping[str, Scalar] = {"true": True, "false": False, "none": None}


def named(name: str) -> bool:
    """Whether ``name`` is that of a network of one of the libraries."""
    return name.partition(":")[0] in LIBRARIES and ":" in name


@dataclass(frozen=True)
class Spelling:
    """The parts of a name.

    Attributes:
        library: the prefix, such as "timm".
        net: the library's own name of the network.
        arguments: of the library's constructor, and how the network is divided.
        structure: the hash that the network's structure must have; "" where the name does not say.
    """

    library: str
    net: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    structure: str = ""

    def __str__(self) -> str:
        arguments = "".join(f"+{key}={self._argument(key)}" for key in sorted(self.arguments))
        return f"{self.library}:{self.net}{arguments}" + (f"@{self.structure}" if self.structure else "")

    @property
    def whole(self) -> Spelling:
        """The network as the library has it, whatever its blocks."""
        return replace(self, arguments={key: v for key, v in self.arguments.items() if key not in DIVISION}, structure="")

    @property
    def division(self) -> dict[str, Any]:
        """The arguments that say which blocks it has."""
        return {key: self.arguments[key] for key in DIVISION if key in self.arguments}

    def _argument(self, key: str) -> str:
        argument = self.arguments[key]
        return "/".join(map(str, argument)) if key == "cuts" and isinstance(argument, tuple) else _text(argument)


def read(name: str) -> Spelling:
    """The parts of ``name``.

    Raises:
        SpecError: an argument is not ``name=value``, or is given twice; ``blocks`` is no number
            from 1; ``blocks`` and ``cuts``.
    """
    library, _, rest = name.partition(":")
    hashed = _STRUCTURE.fullmatch(rest)
    rest, structure = hashed.groups() if hashed else (rest, "")
    net, *texts = rest.split("+")
    if not net:
        raise SpecError(f"{shown(name)} names no network after {library}:")
    arguments: dict[str, Value] = {}
    for text in texts:
        parts = _ARGUMENT.fullmatch(text)
        if parts is None:
            raise SpecError(
                f"{shown(name)}: {shown(text)} is no argument; write {library}:{net}+argument=value, and lists as 1/2/3"
            )
        if parts[1] in arguments:
            raise SpecError(f"{shown(name)}: the argument {parts[1]} is given twice; write it once")
        arguments[parts[1]] = tuple(parts[2].split("/")) if parts[1] == "cuts" else value(parts[2])
    if "blocks" in arguments and ("cuts" in arguments or type(arguments["blocks"]) is not int or arguments["blocks"] < 1):
        raise SpecError(f"{shown(name)}: write blocks=3 (how many at most) or cuts=layer1/layer2 (where they end)")
    return Spelling(library, net, arguments, structure)


def value(text: str) -> Value:
    """An argument's value: a list where there is a slash (``8/`` has one entry), else a word or a
    number."""
    if "/" not in text:
        return _scalar(text)
    parts = text.split("/")
    return tuple(map(_scalar, parts if parts[-1] else parts[:-1]))


def _scalar(text: str) -> Scalar:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _NUMBER.fullmatch(text):
        number = float(text)
        return int(text) if re.fullmatch(r"-?\d+", text) else number
    return text


def writable(given: Any) -> bool:
    """Whether a name can hold this value, such that reading gives it back."""
    if isinstance(given, list | tuple):
        return bool(given) and all(not isinstance(one, list | tuple) and writable(one) for one in given)
    if not isinstance(given, str):
        return given is None or isinstance(given, bool | int | float)
    return not set(given) & set("+@,/") and bool(given) and value(given) == given


def _text(given: Value) -> str:
    if isinstance(given, tuple):
        return "/".join(map(_text, given)) + ("/" if len(given) == 1 else "")
    if isinstance(given, float):
        return repr(given).replace("e+", "e")
    return given if isinstance(given, str) else json.dumps(given).replace("null", "none")
