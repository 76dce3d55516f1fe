"""The libraries, and their networks by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

import torch
from torch import nn

from didact.nets.libraries.contract import Library
from didact.nets.libraries.identity import structure
from didact.nets.libraries.of_pytorchcv import Pytorchcv
from didact.nets.libraries.of_timm import Timm
from didact.nets.libraries.of_torchvision import Torchvision
from didact.nets.libraries.of_transformers import Transformers
from didact.nets.libraries.spelling import Spelling, named, read
from didact.seeds import preserved
from didact.spec import SpecError, shown
from didact.spec.foreign import running

_LIBRARIES: dict[str, Library] = {
    "timm": Timm(),
    "torchvision": Torchvision(),
    "hf": Transformers(),
    "pytorchcv": Pytorchcv(),
}
_CLASSES, _CHANNELS = 10, 3
"""What the network is built for whose structure is hashed."""


def names(library: str) -> tuple[str, ...]:
    """The names of a library's classifiers, as ``resolve`` takes them.

    Raises:
        SpecError: no such library, or it is not installed.
    """
    if library not in _LIBRARIES:
        raise SpecError(f"no library {shown(library)}; known: {', '.join(_LIBRARIES)}")
    return tuple(f"{library}:{name}" for name in _LIBRARIES[library].names())


def resolve(name: str) -> str:
    """The canonical name: arguments in alphabetical order, and the hash of the structure. A name
    with a hash needs no library.

    Raises:
        SpecError: the library is not installed, has no such network, or does not take the
            arguments.
    """
    spelling = read(name)
    return str(spelling) if spelling.structure else _resolved(name)


def title(name: str) -> str:
    """The name without the hash of the structure, for a person to read."""
    return str(replace(read(name), structure="")) if named(name) else name


def version(name: str) -> str:
    """The library that builds ``name`` and its version here: "timm 1.0.31". Nothing is imported."""
    package = _LIBRARIES[name.partition(":")[0]].package
    try:
        return f"{package} {installed(package)}"
    except PackageNotFoundError:
        return f"{package}, which is not installed"


def build(name: str, classes: int, channels: int, size: int | None = None) -> nn.Module:
    """The network, freshly initialised; where torch's device is meta, on that if the library's
    constructor can.

    Args:
        size: height of the images; None: as the library has it.

    Raises:
        SpecError: as :func:`resolve`; or the library builds a network of another structure than the
            name's.
    """
    spelling = read(name)
    now = read(_resolved(title(name)))
    if spelling.structure not in ("", now.structure):
        raise SpecError(
            f"{version(name)} builds another network under the name {title(name)} than the one asked for: its structure is "
            f"{now.structure}, not {spelling.structure}. Install the version with which the run was trained (environment.json in "
            f"its folder names it), or write {title(name)} to train this one"
        )
    with _built(now):
        return _fresh(now.whole, classes, channels, size)


def default_size(name: str) -> int:
    """The height of the images that the library has the network for.

    Raises:
        SpecError: as :func:`resolve`.
    """
    return _hashed(str(read(_resolved(title(name))).whole))[1]


def division(name: str) -> dict[str, Any]:
    """What the name says of the blocks: ``blocks`` or ``cuts`` of :func:`didact.nets.split`;
    nothing for other names."""
    return read(name).division if named(name) else {}


def _resolved(name: str) -> str:
    """The canonical name. A folder is read every time, as it may have changed."""
    return _looked_up.__wrapped__(name) if name.startswith("hf:") else _looked_up(name)


@lru_cache(maxsize=1024)
def _looked_up(name: str) -> str:
    spelling = read(name)
    try:
        known = _LIBRARIES[spelling.library].known(spelling.whole)
    except SpecError as error:
        raise SpecError(f"{shown(name)}: {error}" if name not in str(error) else str(error)) from error
    return str(replace(known, arguments={**known.arguments, **spelling.division}, structure=_hashed(str(known))[0]))


@lru_cache(maxsize=1024)
def _hashed(name: str) -> tuple[str, int]:
    """The hash of the structure of a network that the library has, and the height of its images."""
    spelling = read(name)
    library = _LIBRARIES[spelling.library]
    with _built(spelling), preserved():
        for device in ("meta", "cpu"):
            with torch.device(device):
                try:
                    model = library.build(spelling, _CLASSES, _CHANNELS, None)
                    height = library.size(model, spelling)
                    return structure(model, (_CHANNELS, height, height)), height
                except Exception:  # of the library's own code: some reads values, which the meta device does not have
                    if device == "cpu":
                        raise
        raise AssertionError


def _fresh(spelling: Spelling, classes: int, channels: int, size: int | None) -> nn.Module:
    library = _LIBRARIES[spelling.library]
    if torch.empty(0).is_meta:
        try:
            return library.build(spelling, classes, channels, size)
        except Exception:  # of the library's own code: some reads values, which the meta device does not have
            with torch.device("cpu"), preserved():
                return library.build(spelling, classes, channels, size)
    return library.build(spelling, classes, channels, size)


@contextmanager
def _built(spelling: Spelling) -> Iterator[None]:
    """Have what a library's constructor raises name the network."""
    with running(str(replace(spelling, structure="")), "when it is built"):
        try:
            yield
        except ValueError as error:
            raise SpecError(f"{replace(spelling, structure='')}: {error}") from error
