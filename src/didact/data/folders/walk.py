"""The files below a folder: images by their path, and how many files are left out and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from didact.spec import SpecError, clean

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Names of images end so, in small or capital letters."""


class File(NamedTuple):
    """An image: its size in bytes and the time of its last change in nanoseconds; 0 for a link that
    leads nowhere.
    """

    size: int
    changed: int


NOTES = ".didact-notes"
"""A file in which didact says, a sentence a line, what a user should know of a folder that it has
written.
"""


@dataclass
class Found:
    """What lies below a folder. All paths are relative to it, with slashes.

    Attributes:
        images: the images, by path.
        folders: the folders that are not hidden, by path, with the time of their last change; "" is
            the folder itself.
        others: files that are no images, by path, with the same.
        hidden: number of hidden files and folders, which are left out.
        outside: links that lead out of the folder, and are followed.
    """

    images: dict[str, File] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    others: dict[str, File] = field(default_factory=dict)
    hidden: int = 0
    outside: list[str] = field(default_factory=list)

    def below(self, folder: str) -> list[str]:
        """The names of the folders directly in ``folder``, in alphabetical order."""
        return sorted(path.rpartition("/")[2] for path in self.folders if path and path.rpartition("/")[0] == folder)

    def notes(self, lists: Collection[str]) -> Iterator[str]:
        """What a user should know of files that are left out, and of links. ``lists``: names of
        files that are read.
        """
        if self.hidden:
            yield f"left out: hidden files or folders ({self.hidden:,})"
        names = [path.rpartition("/")[2] for path in self.others]
        kinds = Counter(os.path.splitext(name)[1] or name for name in names if name not in lists)
        if kinds:
            most = ", ".join(clean(kind) for kind, _ in kinds.most_common(3))
            yield f"left out: files that are no images ({kinds.total():,}: {most})"
        if self.outside:
            yield f"followed: links that lead out of the folder ({len(self.outside):,}, such as {clean(self.outside[0])})"


def walk(root: Path) -> Found:
    """Everything below ``root``. Links are followed, but not into a folder that they lie in.

    Raises:
        SpecError: a folder cannot be read.
    """
    found = Found()
    real = os.path.realpath(root)
    rest: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while rest:
        folder, above = rest.pop()
        try:
            about = os.stat(root / folder)
            found.folders[folder] = about.st_mtime_ns
            within = above | {(about.st_dev, about.st_ino)}
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    _enter(found, real, folder, entry, within, rest)
        except OSError as error:
            raise SpecError(f"{clean(root / folder)} cannot be read: {error.strerror}") from None
    return found


def _enter(
    found: Found,
    real: str,
    folder: str,
    entry: os.DirEntry[str],
    within: frozenset[tuple[int, int]],
    rest: list[tuple[str, frozenset[tuple[int, int]]]],
) -> None:
    path = f"{folder}/{entry.name}" if folder else entry.name
    if entry.name.startswith("."):
        found.hidden += entry.name != NOTES
        return
    is_folder = entry.is_dir()
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        if target != real and not target.startswith(real + os.sep):
            found.outside.append(path)
    if is_folder:
        about = entry.stat()
        if (about.st_dev, about.st_ino) not in within:
            rest.append((path, within))
        return
    into = found.images if os.path.splitext(entry.name)[1].lower() in SUFFIXES else found.others
    into[path] = file_of(entry)


def file_of(entry: os.DirEntry[str] | Path) -> File:
    """Size and time of last change; zeros for a link that leads nowhere, which is named when it is
    decoded.
    """
    try:
        about = entry.stat()
    except OSError:
        return File(0, 0)
    return File(about.st_size, about.st_mtime_ns)
