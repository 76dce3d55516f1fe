"""How a published archive is unpacked: plain files below its own folder, and nothing else, whatever
it holds.

Data sets are plain files, so links, devices, permissions and owners are never made. That is less
than the extraction filters of :mod:`tarfile` allow, and it needs none of them: the first releases
of Python 3.11 have no filters.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Protocol

from didact.data.contract import DataError, unkept


class Bytes(Protocol):
    """An open member of an archive."""

    def read(self, size: int = ..., /) -> bytes:
        """The next ``size`` bytes; all that are left without a size."""
        ...


Wanted = Callable[[str], bool]
"""Whether the member of this name is to be unpacked."""

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError)
"""What the libraries raise of an archive that is cut short or is none; the last: of a zip that is
encrypted.
"""


def unpack(path: Path, into: Path, wanted: Wanted) -> None:
    """Write the wanted files of the archive ``path`` (zip, or tar however compressed) below the
    folder ``into``.

    Raises:
        DataError: it is no archive, is cut short, cannot be written down, or holds what is no plain
            file of a relative name.
    """
    try:
        _unzip(path, into, wanted) if zipfile.is_zipfile(path) else _untar(path, into, wanted)
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile adds a line for each kind of compression
        raise DataError(f"{path}: could not be unpacked: {reason}; delete it and it is downloaded again") from error
    except OSError as error:
        raise unkept(
            error, f"{path}: could not be unpacked: {error}; make room, or unpack it by hand into {path.parent}"
        ) from error


def _unzip(path: Path, into: Path, wanted: Wanted) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if wanted(member.filename) and not member.is_dir():
                with archive.open(member) as source:
                    _write(path, into, member.filename, source)


def _untar(path: Path, into: Path, wanted: Wanted) -> None:
    with tarfile.open(path) as archive:
        for member in archive:
            if wanted(member.name) and not member.isdir():
                source = archive.extractfile(member) if member.isreg() else None
                if source is None:
                    raise DataError(f"{path}: holds {member.name!r}, which is no plain file; nothing was unpacked")
                with source:
                    _write(path, into, member.name, source)


def _write(path: Path, into: Path, name: str, source: Bytes) -> None:
    below = PureWindowsPath(name)  # takes both separators, so that a name is refused on every system alike
    if below.drive or below.root or ".." in below.parts or "\0" in name:
        raise DataError(f"{path}: holds {name!r}, which is not below its own folder; nothing was unpacked")
    target = into.joinpath(*below.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as file:
        shutil.copyfileobj(source, file)
