"""Teachers' answers kept on disk, so that a later student of the same batches is trained without
its teacher's pass.

    <store>/answers/<teacher>.<digest>/   a series: one network, one kind of batches and machine
      series.json                         what the digest is of; touched when it is used
      main.logits.0003.blocks             a part of the outputs for the batches of epoch 3,
                                          one block for each batch

Nothing depends on them: what is missing, damaged or of another batch is computed. Files are written
whole or not at all. All together take no more than a limit. Where there is no room, the series that
was used longest ago goes first; a series never makes room for itself, since a later student reads
its epochs in the same order and would find none of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from didact.files.checked import DamagedError, read_json, write_json
from didact.spec import Bytes, digest, spec

FOLDER = "answers"
_UNSAFE = r"[^A-Za-z0-9_.+-]"
SMALL = frozenset({"logits", "pooled"})
"""The parts of outputs that are kept without being asked for."""
STALE = 86400.0
"""Seconds after which a temporary file is one of a process that has died."""


@spec
class Keep:
    """That the answers of teachers are kept, and how many."""

    features: bool = False
    """Whether maps are kept, too: features, values before activations, the stem. They take hundreds
    of times the space."""
    limit: Bytes = 10 * 10**9
    """Bytes on disk for the answers of all teachers of the store."""

    def parts(self, read: frozenset[str]) -> frozenset[str]:
        """Which of the parts that are ``read`` are kept."""
        return read if self.features else read & SMALL


@dataclass(frozen=True)
class Series:
    """A series on disk.

    Attributes:
        about: what its series.json holds.
        bytes: of its files.
        epochs: how many have answers.
        used: when it was last used, in seconds since 1970.
    """

    folder: Path
    about: Mapping[str, Any]
    bytes: int
    epochs: int
    used: float


class Answers:
    """The answers that a store keeps, within a limit. ``say`` receives lines for the user."""

    def __init__(self, root: Path, limit: int, say: Callable[[str], object] = lambda line: None) -> None:
        self.folder = root / FOLDER
        self.limit = limit
        self._say = say
        self._said: set[str] = set()

    def series(self) -> list[Series]:
        """All series, the one that was used longest ago first."""
        folders = [path for path in self._paths() if path.is_dir() and not path.is_symlink()]
        return sorted(map(_series, folders), key=lambda one: (one.used, one.folder.name))

    def _paths(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except OSError:
            return []

    def open(self, about: Mapping[str, Any], label: str) -> Path:
        """The folder of a series, made where there is none.

        Args:
            about: everything on which the answers depend, as plain JSON data.
            label: the teacher's, for the folder's name.

        Raises:
            OSError: it cannot be written.
        """
        folder = self.folder / f"{re.sub(_UNSAFE, '-', label)[:80]}.{digest(about)}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "series.json").exists():
            write_json(folder / "series.json", about)
        self.touch(folder)
        return folder

    def touch(self, folder: Path) -> None:
        """Note that a series is used now."""
        with contextlib.suppress(OSError):
            os.utime(folder / "series.json")

    def make_room(self, wanted: int, own: Path) -> bool:
        """Drop series until ``wanted`` bytes more fit; whether they do. The series ``own``
        stays."""
        with self._locked():
            series = self.series()
            used = sum(one.bytes for one in series)
            for one in series:
                if used + wanted <= self.limit:
                    break
                if one.folder != own:
                    shutil.rmtree(one.folder, ignore_errors=True)
                    used -= one.bytes
                    self.once(f"kept answers of {one.folder.name} are dropped: there is no room for them and newer ones")
            return used + wanted <= self.limit

    def drop(self, prefix: str = "") -> list[Series]:
        """Remove the series whose folders' names, teachers' digests or own digests begin with
        ``prefix``; returns them."""
        with self._locked() if self.folder.is_dir() else contextlib.nullcontext():
            gone = [one for one in self.series() if _is_named(one, prefix)]
            for one in gone:
                shutil.rmtree(one.folder, ignore_errors=True)
        return gone

    def once(self, line: str) -> None:
        """Say a line, unless it was said before."""
        if line not in self._said:
            self._said.add(line)
            self._say(line)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            yield


def _series(folder: Path) -> Series:
    size, now, epochs = 0, time.time(), set[str]()
    with contextlib.suppress(OSError):
        for file in os.scandir(folder):
            with contextlib.suppress(OSError):
                about = file.stat(follow_symlinks=False)
                if file.name.endswith(".tmp") and now - about.st_mtime > STALE:
                    os.unlink(file.path)
                    continue
                size += about.st_size
                epochs |= {file.name.split(".")[-2]} if file.name.endswith(".blocks") else set()
    about, used = {}, 0.0
    with contextlib.suppress(OSError, DamagedError):
        used = (folder / "series.json").stat().st_mtime
        about = read_json(folder / "series.json")
    return Series(folder, about if isinstance(about, dict) else {}, size, len(epochs), used)


def _is_named(one: Series, prefix: str) -> bool:
    names = (one.folder.name, one.folder.suffix[1:], str(one.about.get("teacher", "")))
    return any(name.startswith(prefix) for name in names)


def unkept(folder: Path, error: Exception) -> str:
    """What is said where answers cannot be written."""
    why = getattr(error, "strerror", None) or str(error)
    return f"the teacher's answers cannot be kept in {folder}: {why}; they are computed when they are needed"
