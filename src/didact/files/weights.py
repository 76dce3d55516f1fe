"""Weights that others wrote: safetensors, and what ``torch.save`` writes. Reading runs no code.

A file may hold more than a network's state dict: an epoch, an optimiser, a second network. What
could be a network is found at any depth, with the prefixes that wrappers add to its keys taken off.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from didact.files.packed import WEIGHTS, is_tar, member
from didact.files.reading import DamagedError, is_file
from didact.spec import RequestError, clean

Tensors = dict[str, Tensor]

DEEPEST = 4
"""Levels of mappings in a file that are looked into."""

_COUNTED = ("total_ops", "total_params")
"""Buffers that a counter of operations leaves in a network; they are no weights."""

_SUMS: dict[tuple[str, int, int], str] = {}
"""SHA-256 by path, size and time of last change: a file is summed once in a process."""


class WeightsError(RequestError):
    """A file of weights is missing, cannot be read, or does not hold what it should."""


def checksum(path: Path) -> str:
    """SHA-256 of the file, 64 hexadecimal digits; of a packed network's weights where it is a tar.

    Raises:
        WeightsError: there is no such file, or it cannot be read.
    """
    check_there(path)
    try:
        about = path.stat()
        key = (os.path.abspath(path), about.st_size, about.st_mtime_ns)
        if key not in _SUMS and (inner := _packed(path)) is not None:
            _SUMS[key] = hashlib.sha256(inner).hexdigest()
        elif key not in _SUMS:
            with open(path, "rb") as file:
                _SUMS[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return _SUMS[key]
    except OSError as error:
        raise WeightsError(f"{clean(path)} cannot be read: {error.strerror}") from None


def inside(path: Path) -> Path:
    """The file of weights in a folder that holds a packed network; ``path`` itself for anything
    else."""
    return path / WEIGHTS if path.is_dir() and is_file(path / WEIGHTS) else path


def _packed(path: Path) -> bytes | None:
    """The weights in a tar of a packed network; None for other files.

    Raises:
        WeightsError: the tar holds none, or is damaged.
    """
    if not is_tar(path):
        return None
    try:
        inner = member(path, WEIGHTS)
    except DamagedError as error:
        raise _damaged(path, str(error)) from None
    if inner is None:
        raise WeightsError(f"{clean(path)} is a tar without {WEIGHTS}; unpack it and name a file of weights in it")
    return inner


def check_there(path: Path) -> None:
    """Refuse a path at which no ordinary file is.

    Raises:
        WeightsError: the message says what is there instead.
    """
    if path.is_dir():
        raise WeightsError(
            f"{clean(path)} is a folder without {WEIGHTS}; write the path of a file of weights (.safetensors, .pth, .pt), "
            "or of a folder from 'didact share'"
        )
    if not is_file(path):
        what = "is no ordinary file" if path.exists() else "does not exist"
        raise WeightsError(f"{clean(path)} {what}; write the path of a file of weights (.safetensors, .pth, .pt)")


def candidates(path: Path) -> dict[str, Tensors]:
    """What in the file could be the state dict of a network, by its place: "" for the file itself,
    else as "model.student".

    A place that lies in another follows it.

    Raises:
        WeightsError: the file is truncated, holds code or no tensors, or is of another kind.
    """
    whole = read(path)
    found = {place: tensors for place, tensors in _states(whole, "", 0) if tensors}
    if not found:
        keys = ", ".join(clean(str(key)) for key in list(whole)[:5]) if isinstance(whole, Mapping) else type(whole).__name__
        raise WeightsError(f"{clean(path)} holds no tensors by name (found: {keys}); save the state dict of the network")
    return found


def read(path: Path) -> Any:
    """The content of a safetensors file or of one that ``torch.save`` wrote, on the CPU.

    Raises:
        WeightsError: as :func:`candidates`.
    """
    check_there(path)
    try:
        with open(path, "rb") as file:
            head = file.read(9)
        with torch.device("cpu"), warnings.catch_warnings(), torch.serialization.safe_globals(_PLAIN):
            warnings.simplefilter("ignore")  # other pickle protocols are read or refused all the same
            if (inner := _packed(path)) is not None:
                return safetensors.torch.load(inner)
            if head[8:9] == b"{":  # the length of the header, then the header
                return safetensors.torch.load_file(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from None
    except (MemoryError, WeightsError):
        raise
    except Exception as error:  # the readers fail on damaged files in any way
        raise _damaged(path, f"{type(error).__name__}: {error}") from None


_PLAIN: list[Any] = [
    argparse.Namespace,  # the options that training scripts keep beside the weights
    np.dtype,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
    *((np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),  # an accuracy
]
"""Plain values besides tensors that are read; making one calls nothing that a file could choose."""


def _refused(path: Path, reason: str) -> WeightsError:
    """For what torch's restricted reader says: whether the file names code, or is damaged."""
    named = re.search(r"GLOBAL (\S+)", reason)
    if named is None:
        operand = re.search(r"Unsupported operand \d+", reason)
        return _damaged(path, operand[0] if operand else reason)
    return WeightsError(
        f"{clean(path)} holds more than tensors and plain values ({clean(named[1][:100])}), and to read it would run code "
        "from the file; where you trust it, load it with torch and save its state dict alone: "
        "torch.save(network.state_dict(), FILE)"
    )


def _damaged(path: Path, reason: str) -> WeightsError:
    if "TorchScript" in reason:
        return WeightsError(
            f"{clean(path)} is a TorchScript archive, which holds code; where you trust it, save its state dict alone: "
            "torch.save(torch.jit.load(FILE).state_dict(), NEW)"
        )
    reason = clean(reason.strip().partition("\n")[0].partition(". ")[0][:200])
    return WeightsError(f"{clean(path)} is damaged, truncated or no file of weights{f' ({reason})' if reason else ''}")


def _states(value: Any, place: str, level: int) -> Iterator[tuple[str, Tensors]]:
    """Every mapping of names to tensors in ``value``, and every group in it with a common first
    part."""
    if not isinstance(value, Mapping) or level > DEEPEST:
        return
    named = {key: one for key, one in value.items() if isinstance(key, str)}
    tensors = {key: one for key, one in named.items() if isinstance(one, Tensor) and key.rpartition(".")[2] not in _COUNTED}
    if tensors:
        yield place, tensors
        yield from _groups(tensors, place, level)
    for key, inner in named.items():
        yield from _states(inner, f"{place}.{key}".lstrip("."), level + 1)


def _groups(tensors: Tensors, place: str, level: int) -> Iterator[tuple[str, Tensors]]:
    """The tensors below each first part of their names, such as ``module.`` or ``student.``."""
    groups: dict[str, Tensors] = {}
    for key, tensor in tensors.items():
        first, dot, rest = key.partition(".")
        if dot:
            groups.setdefault(first, {})[rest] = tensor
    for first, inner in groups.items() if level <= DEEPEST else ():
        inside = f"{place}.{first}".lstrip(".")
        yield inside, inner
        yield from _groups(inner, inside, level + 1)
