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
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

from didact.files.blocks import BlockReader, BlockWriter
from didact.files.checked import DamagedError, read_json, write_json
from didact.spec import Bytes, digest, spec
from didact.tensors import Batch, Outputs

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


class EpochAnswers:
    """The answers for the batches of one epoch: read where they are kept, otherwise kept as they
    are computed.

    Args:
        folder: of the series.
        parts: which parts are kept, of those that are read.
        steps: batches in the epoch.
    """

    def __init__(self, answers: Answers, folder: Path, keep: Keep, epoch: int, steps: int) -> None:
        self._answers = answers
        self._folder = folder
        self._keep = keep
        self._epoch = epoch
        self._steps = steps
        self._readers: dict[str, dict[str, BlockReader] | None] = {}
        self._writers: dict[str, dict[str, BlockWriter]] = {}
        self._notes: dict[str, str] = {}
        self._next: dict[str, int] = {}
        answers.touch(folder)

    def __enter__(self) -> EpochAnswers:
        return self

    def recall(self, what: str, parts: frozenset[str], batch: Batch) -> Outputs | None:
        """What was kept for the next batch; None where it is to be computed, and then to be given
        to :meth:`keep`.

        Args:
            what: "main", or the name of the view that the teacher is shown.
            parts: the parts of the outputs that are read.
        """
        number = self._next[what] = self._next.get(what, -1) + 1
        images = batch.images if what == "main" else batch.views[what]
        note = self._notes[what] = _note(batch.index, images)
        if what not in self._readers:
            self._readers[what] = self._open(what, parts)
        readers = self._readers[what]
        if readers is None:
            return None
        try:
            shown = {part: reader.read(number, note) for part, reader in readers.items()}
        except DamagedError as error:
            self._leave(what, error)
            return None
        on_device = {part: tuple(x.to(images.device) for x in tensors) for part, tensors in shown.items()}
        return Outputs(**{k: v if k in ("features", "preacts") else v[0] for k, v in on_device.items()})  # type: ignore[arg-type]

    def _open(self, what: str, parts: frozenset[str]) -> dict[str, BlockReader] | None:
        """A reader of every part; None where one is missing."""
        paths = {part: self._path(what, part) for part in sorted(parts)}
        if not all(path.exists() for path in paths.values()):
            return None
        readers: dict[str, BlockReader] = {}
        try:
            for part, path in paths.items():
                readers[part] = BlockReader(path)
                if len(readers[part]) != self._steps:
                    raise DamagedError(f"{path} has {len(readers[part])} batches of {self._steps}")
        except DamagedError as error:
            self._readers[what] = readers
            self._leave(what, error)
            return None
        return readers

    def _leave(self, what: str, error: DamagedError) -> None:
        """Read no more of ``what`` in this epoch, and drop its files: they are written again when
        they are computed again."""
        self._answers.once(f"damaged: {error}; the teacher's answers are computed again")
        for reader in (self._readers[what] or {}).values():
            reader.close()
        for path in self._folder.glob(f"{what}.*.{self._epoch:04d}.blocks"):
            with contextlib.suppress(OSError):
                path.unlink()
        self._readers[what] = None

    def keep(self, what: str, outputs: Outputs) -> None:
        """Keep what was computed for the batch of the last :meth:`recall`. A disk that is full or
        not writable is no error."""
        if self._next[what] == 0:
            self._writers[what] = self._begin(what, outputs)
        writers = self._writers.get(what, {})
        try:
            for part, writer in writers.items():
                writer.add(_tensors(outputs, part), self._notes[what])
        except OSError as error:
            self._give_up(writers, error)

    def _begin(self, what: str, outputs: Outputs) -> dict[str, BlockWriter]:
        shown = frozenset(field.name for field in fields(outputs) if _tensors(outputs, field.name))
        parts = {part for part in self._keep.parts(shown) if not self._path(what, part).exists()}
        size = sum(x.nbytes for part in parts for x in _tensors(outputs, part)) * self._steps
        writers: dict[str, BlockWriter] = {}
        try:
            if parts and not self._answers.make_room(size, self._folder):
                self._answers.once(
                    f"no more of the teacher's answers are kept: an epoch takes {size / 1e6:,.1f} MB, and the limit of "
                    f"{self._answers.limit / 1e9:,.1f} GB is reached; a larger --answers-limit keeps more"
                )
                return {}
            for part in sorted(parts):
                writers[part] = BlockWriter(self._path(what, part))
        except (OSError, NotImplementedError) as error:  # filelock raises the latter on a file system without locks
            self._give_up(writers, error)
        return writers

    def _give_up(self, writers: dict[str, BlockWriter], error: Exception) -> None:
        self._answers.once(unkept(self._folder, error))
        for writer in writers.values():
            writer.drop()
        writers.clear()

    def _path(self, what: str, part: str) -> Path:
        return self._folder / f"{what}.{part}.{self._epoch:04d}.blocks"

    def __exit__(self, kind: object, error: object, at: object) -> None:
        """Seal what is complete, drop the rest."""
        for readers in self._readers.values():
            for reader in (readers or {}).values():
                reader.close()
        for writers in self._writers.values():
            try:
                for writer in writers.values():
                    if error is None and len(writer) == self._steps:
                        writer.seal()
                    else:
                        writer.drop()
            except OSError as full:
                self._give_up(writers, full)


def unkept(folder: Path, error: Exception) -> str:
    """What is said where answers cannot be written."""
    why = getattr(error, "strerror", None) or str(error)
    return f"the teacher's answers cannot be kept in {folder}: {why}; they are computed when they are needed"


def _tensors(outputs: Outputs, part: str) -> tuple[Tensor, ...]:
    value = getattr(outputs, part)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _note(index: Tensor, images: Tensor) -> str:
    """What a batch is told apart by: its images by number, on the CPU by their pixels as well."""
    total = zlib.crc32(index.cpu().numpy().tobytes())
    if images.device.type == "cpu":
        total = zlib.crc32(images.permute(0, 2, 3, 1).contiguous().numpy().data, total)
    return f"{len(images)}:{total:08x}"
