"""What a folder of images holds, independent of where it lies: a checksum, counts and the size of
its images.

The checksum is of every image's path in the folder, class and number of bytes, and of the bytes of
a sample: of all images where there are no more than :data:`~didact.data.resize.SAMPLE`. It is
remembered in the user's cache folder, with the place where the folder was seen last, until a file's
size or time of change differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from didact.data.archive import root
from didact.data.contract import DataError
from didact.data.folders.decode import image_size
from didact.data.folders.tree import Part, Tree, look
from didact.data.folders.wordnet import divided
from didact.data.folders.workers import unreadable
from didact.data.resize import SAMPLE
from didact.files.checked import DamagedError, read_json, write_json
from didact.spec import SpecError, clean

PREFIX = "folder:"
"""The name of a folder's data set is this, then the path."""

VERSION = 1
"""Rises when the same file has other pixels, so that what was decoded is not taken for it."""


@dataclass(frozen=True)
class Contents:
    """A folder of images.

    Attributes:
        tree: its images and classes.
        name: of the data set, with the absolute path.
    """

    tree: Tree
    name: str

    @property
    def parts(self) -> tuple[tuple[str, Part], ...]:
        """Training and test images, by name."""
        return ("train", self.tree.train), ("test", self.tree.test)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """All images, the training images first."""
        return self.tree.train.paths + self.tree.test.paths

    @cached_property
    def checksum(self) -> str:
        """16 hexadecimal digits of what the folder holds."""
        known = self._remembered.get("checksum")
        return known if isinstance(known, str) else self._remember("checksum", self._sum())

    @cached_property
    def image(self) -> tuple[int, int] | None:
        """Height and width of the images; None where they differ. Images that cannot be read have
        none.
        """
        known = self._remembered.get("image")
        if known is None:
            known = self._remember("image", self._common_size())
        return (known[0], known[1]) if known else None

    def unreadable(self) -> dict[int, str]:
        """By row of :attr:`paths`, why training images cannot be decoded. Found out once, by
        decoding all of them.
        """
        known = self._remembered.get("unreadable")
        if known is None:
            jobs = [(row, str(self.tree.root / path)) for row, path in enumerate(self.tree.train.paths)]
            known = self._remember("unreadable", {str(row): reason for row, reason in unreadable(jobs).items()})
        return {int(row): reason for row, reason in known.items()}

    @property
    def read_through(self) -> bool:
        """Whether :meth:`unreadable` is known."""
        return "unreadable" in self._remembered

    def place(self, image: tuple[int, int]) -> tuple[Path, Path]:
        """Where its pixels are kept at the size ``image``: files of the pixels and of their
        checksums.
        """
        start = folder_of(self.checksum)
        name = f"{image[0]}x{image[1]}.{VERSION}"
        return start / f"{name}.pixels", start / f"{name}.sums"

    def _sum(self) -> str:
        total = hashlib.sha256()
        for name, part in self.parts:
            labels = part.labels.tolist()
            for path, file, label in zip(part.paths, part.files, labels, strict=True):
                total.update(os.fsencode(f"{name}\0{path}\0{self.tree.names[label]}\0{file.size}\n"))
        count = len(self.paths)
        for at in range(min(SAMPLE, count)):
            with contextlib.suppress(OSError):  # it is named when it is decoded
                total.update((self.tree.root / self.paths[at * count // min(SAMPLE, count)]).read_bytes())
        return total.hexdigest()[:16]

    def _common_size(self) -> list[int]:
        first: list[int] = []
        for path in self.paths:
            size = image_size(self.tree.root / path)
            if size is None:
                continue
            if first and first != size:
                return []
            first = size
        return first

    # ------------------------------------------------------------------------------------ remembered in the cache folder

    @cached_property
    def _index(self) -> Path:
        named = self.name.removeprefix(PREFIX)
        return root() / "folders" / "index" / f"{hashlib.sha256(os.fsencode(named)).hexdigest()[:16]}.json"

    @cached_property
    def _stamp(self) -> str:
        """Of all names, sizes and times of last change."""
        total = hashlib.sha256()
        for _, part in self.parts:
            for path, file in zip(part.paths, part.files, strict=True):
                total.update(os.fsencode(f"{path}\0{file.size}\0{file.changed}\n"))
        return total.hexdigest()

    @cached_property
    def _remembered(self) -> dict[str, Any]:
        with contextlib.suppress(DamagedError):
            known = read_json(self._index)
            if isinstance(known, dict) and known.get("stamp") == self._stamp:
                return known
        return {"stamp": self._stamp}

    def _remember(self, key: str, value: Any) -> Any:
        self._remembered[key] = value
        _write(self._index, self._remembered)
        return value


_SEEN: dict[str, Contents] = {}
"""The folders that this process has looked into, by name."""


def contents(name: str) -> Contents:
    """What the data set ``folder:PATH`` or ``folder:PATH#CLASSES`` holds, remembered until a file
    is added or removed.

    Raises:
        SpecError: there is no such folder, or it holds no classes of images.
    """
    if not name.removeprefix(PREFIX).strip():
        raise SpecError("folder: names no path; write the path of a folder of images, such as folder:flowers")
    path, chosen = divided(name.removeprefix(PREFIX))
    path = os.path.abspath(os.path.expanduser(path))
    name = PREFIX + path + (f"#{chosen}" if chosen else "")
    known = _SEEN.get(name)
    if known is None or known.tree.changed:
        known = _SEEN[name] = Contents(look(path, chosen), name)
    where = folder_of(known.checksum) / "place.json"
    place = {"path": name.removeprefix(PREFIX)}
    with contextlib.suppress(DamagedError):
        if read_json(where) == place:
            return known
    _write(where, place)
    return known


def last_name(checksum: str) -> str | None:
    """The name of the folder with this checksum where it was seen last; None where it was not seen
    on this machine.
    """
    with contextlib.suppress(DamagedError, DataError):
        known = read_json(folder_of(checksum) / "place.json")
        if isinstance(known, dict) and isinstance(known.get("path"), str):
            return PREFIX + known["path"]
    here = [name for name, known in _SEEN.items() if known.checksum == checksum]
    return here[-1] if here else None  # of a cache folder that cannot be written


def last_place(checksum: str) -> Path | None:
    """Where the folder with this checksum was seen last; None where it was not seen on this
    machine.
    """
    name = last_name(checksum)
    return None if name is None else Path(divided(name.removeprefix(PREFIX))[0])


def found_again(checksum: str) -> Contents:
    """The folder with this checksum, where it was seen last.

    Raises:
        DataError: it was not seen on this machine, is not there any more, or holds something else
            now.
    """
    name = last_name(checksum)
    if name is None:
        raise DataError(
            f"the folder of images {checksum} has not been seen on this machine; "
            "'didact list data --data folder:PATH' looks into it where it lies now"
        )
    path = divided(name.removeprefix(PREFIX))[0]
    try:
        known = contents(name)
    except SpecError as error:
        raise DataError(
            f"the folder of images {checksum} was {clean(path)}, where it is no more: {error}; "
            "'didact list data --data folder:PATH' looks into it where it lies now"
        ) from None
    if known.checksum != checksum:
        raise DataError(
            f"{clean(path)} has changed: its checksum is {known.checksum}, and these settings belong to {checksum}; "
            "train again with the new images, or bring the old ones back"
        )
    return known


def folder_of(checksum: str) -> Path:
    """Where the pixels of the folder with this checksum are kept, and where it was seen last."""
    return root() / "folders" / checksum


def _write(path: Path, value: Any) -> None:
    """Remember ``value``. Where that is not possible, it is found out again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, value)
