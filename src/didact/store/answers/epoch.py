"""A teacher's answers for one epoch: batches that are kept are read, the others are computed and
kept (:mod:`.answers`)."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import fields
from pathlib import Path

from torch import Tensor

from didact.files.blocks import BlockReader, BlockWriter
from didact.files.checked import DamagedError
from didact.store.answers.series import Answers, Keep, unkept
from didact.tensors import Batch, Outputs


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


def _tensors(outputs: Outputs, part: str) -> tuple[Tensor, ...]:
    value = getattr(outputs, part)
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _note(index: Tensor, images: Tensor) -> str:
    """What a batch is told apart by: its images by number, on the CPU by their pixels as well."""
    total = zlib.crc32(index.cpu().numpy().tobytes())
    if images.device.type == "cpu":
        total = zlib.crc32(images.permute(0, 2, 3, 1).contiguous().numpy().data, total)
    return f"{len(images)}:{total:08x}"
