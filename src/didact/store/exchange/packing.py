"""Writes Records into an archive (:mod:`didact.store.exchange.manifest`)."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from didact import __version__
from didact.files.checked import DamagedError, clear_left, file_checksum, sync_folder
from didact.files.reading import is_file
from didact.spec import SpecError, digest
from didact.store.exchange import portable
from didact.store.exchange.manifest import FILE, FORMAT, Content, Item, Manifest
from didact.store.record import Record


def pack(path: Path, records: Sequence[Record]) -> Manifest:
    """Write an archive to ``path``, completely or not at all.

    Raises:
        SpecError: there is something at ``path``.
        DamagedError: a Record is not what was sealed.
        OSError: nothing can be written there, or the disk is full.
    """
    if os.path.lexists(path):
        raise SpecError(f"{path} exists; name another, or remove it")
    manifest = Manifest(format=FORMAT, didact=__version__, runs=tuple(map(_content, records)))
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_left(path.parent, (path.name,))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            _write(file, manifest, records)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}; nothing is left of it") from error
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return manifest


def _content(record: Record) -> Content:
    files: dict[str, Item] = {}
    for name in sorted(portable.names(record)):
        path = record.folder / name
        sum_ = record.sums.get(name) or file_checksum(path)
        if sum_ is None or not is_file(path):
            raise DamagedError(f"{path} is not what was written")
        files[name] = Item(bytes=path.stat().st_size, sha256=sum_)
    return Content(digest=digest(record.spec()), folder=record.folder.name, files=files)


def _write(file: BinaryIO, manifest: Manifest, records: Sequence[Record]) -> None:
    data = manifest.text()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        about = tarfile.TarInfo(FILE)
        about.size = len(data)
        tar.addfile(about, io.BytesIO(data))
        for content, record in zip(manifest.runs, records, strict=True):
            for name, item in content.files.items():
                _add(tar, f"{content.digest}/{name}", record.folder / name, item)


def _add(tar: tarfile.TarFile, name: str, path: Path, item: Item) -> None:
    about = tarfile.TarInfo(name)
    about.size = item.bytes
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size != item.bytes:
            raise DamagedError(f"{path} has changed while it was read")
        about.mtime = int(status.st_mtime)
        source = _Summed(file)
        tar.addfile(about, source)  # type: ignore[arg-type]
    if source.total.hexdigest() != item.sha256:
        raise DamagedError(f"{path} is not what was written")


class _Summed:
    """A file that is read, and its SHA-256."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.total = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.total.update(data)
        return data
