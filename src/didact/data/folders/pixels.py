"""Decoded images in a file that is mapped into memory: every epoch and every process reads the same
pages.

The file has room for all images. An image's checksum is written after its pixels, into a second
file; an image whose checksum does not fit is decoded again. So a process that is killed, or two
that decode the same image, do no harm. Both files may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from didact.data.contract import DataError, NoRoomError, unkept
from didact.spec import clean

PRESENT = 1 << 32
"""Is added to the checksum of an image that was decoded; 0 stands for one that was not."""

SPARE = 2**26
"""Bytes that are left free on the disk."""


@dataclass(frozen=True)
class Pixels:
    """The files of ``count`` images of the size ``image``, (height, width), in three channels."""

    path: Path
    sums: Path
    count: int
    image: tuple[int, int]

    @property
    def each(self) -> int:
        """Bytes of an image."""
        return self.image[0] * self.image[1] * 3

    def prepare(self, rows: int) -> None:
        """Make the files where they are missing; there must be room for ``rows`` more images.

        Raises:
            DataError: there is no room, or nothing can be written there.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path.parent).free
            if rows * self.each + SPARE > free:
                raise NoRoomError(
                    f"{rows:,} images of {self.image[0]}x{self.image[1]} take {rows * self.each / 1e9:,.2f} GB once they are "
                    f"decoded, and {clean(self.path.parent)} has {free / 1e9:,.2f} GB left; make room, set DIDACT_DATA to a "
                    "folder on a larger disk, or use fewer images (data.fraction, data.per_class) or smaller ones (data.size)"
                )
            for path, size in ((self.path, self.count * self.each), (self.sums, self.count * 8)):
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                try:
                    if os.fstat(handle).st_size != size:
                        os.ftruncate(handle, size)
                finally:
                    os.close(handle)
        except OSError as error:
            raise self.unwritable(error) from error

    def unwritable(self, error: OSError) -> DataError:
        """The refusal for a cache that cannot be written."""
        return unkept(
            error,
            f"decoded images cannot be written to {clean(self.path.parent)}: {error.strerror}; make room, or set DIDACT_DATA to "
            "a folder that can be written",
        )

    @contextmanager
    def writing(self) -> Iterator[Callable[[int, np.ndarray], None]]:
        """A function that keeps the image of a row, uint8 (height, width, 3).

        It raises OSError where the disk is full; a mapped file would end the process.
        """
        handles = os.open(self.path, os.O_WRONLY), os.open(self.sums, os.O_WRONLY)

        def write(row: int, image: np.ndarray) -> None:
            data = image.tobytes()
            _put(handles[0], data, row * self.each)
            _put(handles[1], np.array([PRESENT + zlib.crc32(data)], "<u8").tobytes(), row * 8)

        try:
            yield write
        finally:
            for handle in handles:
                os.close(handle)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The images at ``rows``, uint8 (n, height, width, 3); mapped where they lie one after
        another, and copied otherwise.

        What is written into mapped ones stays in this process.
        """
        shape = (len(rows), *self.image, 3)
        if len(rows) and np.array_equal(rows, np.arange(len(rows)) + rows[0]):
            return np.memmap(self.path, np.uint8, "c", offset=int(rows[0]) * self.each, shape=shape)
        images = np.empty(shape, np.uint8)
        with open(self.path, "rb") as file:
            for at, row in enumerate(rows.tolist()):
                file.seek(row * self.each)
                file.readinto(memoryview(images[at]).cast("B"))
        return images

    @cached_property
    def _checked(self) -> np.ndarray:
        """Whether an image's checksum was compared in this process, bool (n,)."""
        return np.zeros(self.count, bool)

    def missing(self, rows: Sequence[int] | np.ndarray) -> list[int]:
        """Those of ``rows`` that are not decoded, or hold something else than what was written."""
        if not self.path.exists() or not self.sums.exists():
            return [int(row) for row in rows]
        if self.path.stat().st_size != self.count * self.each or self.sums.stat().st_size != self.count * 8:
            return [int(row) for row in rows]
        rows = np.asarray(rows)
        asked = rows[~self._checked[rows]]
        sums = np.fromfile(self.sums, "<u8")
        with open(self.path, "rb") as file:
            for row in asked[sums[asked] > 0].tolist():
                file.seek(row * self.each)
                self._checked[row] = int(sums[row]) == PRESENT + zlib.crc32(file.read(self.each))
        return asked[~self._checked[asked]].tolist()


def _put(handle: int, data: bytes, at: int) -> None:
    while data:
        done = os.pwrite(handle, data, at)
        data, at = data[done:], at + done
