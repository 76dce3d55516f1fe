"""Data sets by name: the files of :mod:`didact.data.sets`, and the user's own as ``module:NAME``."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Mapping

from didact import spec
from didact.data.contract import DataSource
from didact.data.own import own
from didact.spec import SpecError, nearest, shown


def names() -> list[str]:
    """The built-in data sets, in alphabetical order."""
    return sorted(_files())


def canonical_name(name: str) -> str:
    """The catalogue's spelling of ``name``: ``CIFAR-100`` is ``cifar100``. ``module:NAME`` is its
    own.

    Raises:
        SpecError: there is no such data set; the nearest ones are named.
    """
    if ":" in name:
        return name
    known = _spellings().get(_plain(name))
    if known is None:
        path = f"; a folder of images is written folder:{name}" if os.path.exists(os.path.expanduser(name)) else ""
        raise SpecError(f"unknown data set {shown(name)}{path or nearest(name, names())}")
    return known


def find(name: str) -> DataSource:
    """The data set ``name``, in any spelling. Its file, or the user's module, is imported.

    Raises:
        SpecError: there is no such data set, or the user's own is not usable; the message says why.
    """
    name = canonical_name(name)
    return own(name) if ":" in name else importlib.import_module(_files()[name]).DATA_SET


def checksum(name: str) -> str | None:
    """The checksum of a data set of the user's own; None for a built-in one.

    Raises:
        SpecError: as :func:`find`.
    """
    return own(name).checksum if ":" in name else None


@functools.cache
def _spellings() -> Mapping[str, str]:
    """The built-in data sets by their names without hyphens and underscores."""
    return {_plain(known): known for known in names()}


@functools.cache
def _files() -> Mapping[str, str]:
    """The module of each built-in data set, by name."""
    return {file.replace("_", "-"): module for file, module in spec.catalogue("didact.data.sets").items()}


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
