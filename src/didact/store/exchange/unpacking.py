"""Reads an archive of Records (:mod:`didact.store.exchange.manifest`), which may come from anybody.

It is read as a whole and compared with its manifest before anything is written: exactly the files
of the manifest, in its order, all of them plain files, each of the stated size and checksum, under
names that a Record's files have. So links, paths that lead elsewhere, devices, and files that are
not there in full are refused. Where a file goes is decided by its name in the manifest, never by
the tar.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from didact.files.checked import DamagedError
from didact.files.reading import LARGEST, is_file, parsed
from didact.spec import SpecError
from didact.store import notes
from didact.store.answers.results import Entry, entries_of
from didact.store.exchange import portable
from didact.store.exchange.intake import CHUNK, Offer, copy
from didact.store.exchange.manifest import FILE, Content, Item, Manifest

_BLOCK = tarfile.BLOCKSIZE


class Archive:
    """The archive at ``path``, found to be what its manifest says.

    Raises:
        SpecError: it is no archive of runs, or something in it is not what its manifest says.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not is_file(path):
            raise SpecError(f"{path}: there is no such file, or it is no ordinary one")
        try:
            with open(path, "rb") as file:
                self.manifest = _manifest(file, path)
                self._places = dict(_checked(file, self.manifest))
        except DamagedError as error:
            raise SpecError(f"{path} is refused: {error}; nothing is written") from None

    def offers(self) -> Iterator[Offer]:
        """The Records in it."""
        for run in self.manifest.runs:
            yield Offer(
                name=run.folder,
                digest=run.digest,
                sums={name: item.sha256 for name, item in run.files.items()},
                spec=self._json(run, "spec.json"),
                note=notes.Note.of(self._json(run, notes.FILE)),
                content=partial(self._content, run),
                answers=partial(self._answers, run),
                fill=partial(self._fill, run),
            )

    def _json(self, run: Content, name: str) -> dict[str, Any]:
        """The content of a file; empty where it is none that makes sense, which the check of the
        Record finds."""
        try:
            plain = parsed(self._content(run, name), self.path)
        except DamagedError:
            return {}
        return plain if isinstance(plain, dict) else {}

    def _content(self, run: Content, name: str) -> bytes:
        if name not in run.files:
            raise DamagedError(f"{name} is missing")
        with open(self.path, "rb") as file:
            file.seek(self._places[run.digest, name][0])
            return file.read(run.files[name].bytes)

    def _answers(self, run: Content) -> Iterator[tuple[str, list[Entry]]]:
        seal = run.files[portable.SEAL].sha256 if portable.SEAL in run.files else ""
        for name in filter(portable.has_answers, run.files):
            yield name.removesuffix(".json"), entries_of(self._content(run, name), seal) or []

    def _fill(self, run: Content, folder: Path) -> None:
        with open(self.path, "rb") as file:
            for name, item in run.files.items():
                at, mtime = self._places[run.digest, name]
                file.seek(at)
                copy(file, folder / name, item.bytes, item.sha256, mtime)


def _manifest(file: BinaryIO, path: Path) -> Manifest:
    try:
        head = _header(file)
    except DamagedError:
        head = None
    if head is None or head.name != FILE or not 0 <= head.size <= LARGEST:
        raise DamagedError(f"it is no archive of runs, which begins with {FILE}; 'didact runs export' writes one")
    data = file.read(head.size)
    if len(data) < head.size:
        raise DamagedError("it is truncated")
    file.seek(-head.size % _BLOCK, 1)
    return Manifest.read(data, path)


def _checked(file: BinaryIO, manifest: Manifest) -> Iterator[tuple[tuple[str, str], tuple[int, float]]]:
    """Where each file begins, and when it was written, by digest and name."""
    for run in manifest.runs:
        for name, item in run.files.items():
            wanted = f"{run.digest}/{name}"
            head = _header(file)
            if head is None or head.name != wanted or head.size != item.bytes:
                found = "nothing more" if head is None else repr(head.name[:100])
                raise DamagedError(f"it should go on with {wanted} of {item.bytes:,} bytes, found {found}")
            yield (run.digest, name), (file.tell(), float(head.mtime))
            _verify(file, item, wanted)
    left = 0
    while rest := file.read(CHUNK):
        left += len(rest)
        if rest.strip(b"\0"):
            raise DamagedError("it goes on after the last file of its manifest")
    if left < 2 * _BLOCK:
        raise DamagedError("it is truncated")


def _header(file: BinaryIO) -> tarfile.TarInfo | None:
    """The header of the next file; None at the end.

    Raises:
        DamagedError: it is truncated, or what follows is no plain file.
    """
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        raise DamagedError("it is truncated")
    if not block.strip(b"\0"):
        return None
    try:
        head = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise DamagedError(f"it holds something that is no header of a tar ({error})") from None
    if head.type != tarfile.REGTYPE:
        raise DamagedError(f"it holds {head.name[:100]!r}, which is no plain file (a link, a folder, an extension of tar)")
    return head


def _verify(file: BinaryIO, item: Item, name: str) -> None:
    total, left = hashlib.sha256(), item.bytes
    while left and (chunk := file.read(min(CHUNK, left))):
        total.update(chunk)
        left -= len(chunk)
    if left:
        raise DamagedError("it is truncated")
    if total.hexdigest() != item.sha256:
        raise DamagedError(f"{name} is not what was written")
    file.seek(-item.bytes % _BLOCK, 1)
