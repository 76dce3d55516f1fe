"""The reader of CIFAR-10 and CIFAR-100 in their published binary form.

A record is one or two label bytes followed by 3,072 pixels: red, green and blue planes of 32x32.
The size of every file and the range of every label are compared when it is read. The order of the
records is taken as it is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from didact.data.archive import Archive
from didact.data.contract import DataError
from didact.data.split import Split

SITE = "https://www.cs.toronto.edu/~kriz/"
SOURCE = f"Krizhevsky 2009, {SITE}cifar.html; no licence stated, the author asks to be cited"


@dataclass(frozen=True, kw_only=True)
class CIFAR(Archive):
    """What was published.

    Attributes:
        train, test: files with their numbers of records.
        names: the file with one name of a class a line.
        labels: how many values each label byte of a record may take; the last of them is the class.
    """

    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    names: str
    labels: tuple[int, ...]

    @property
    def record(self) -> int:
        """Bytes in a record."""
        return len(self.labels) + 3 * 32 * 32

    def read(self) -> tuple[Split, Split, tuple[str, ...]]:
        self.prepare()
        lines = self.text(self.names).split()
        if len(lines) != self.labels[-1]:
            raise DataError(self.wrong(self.names, f"{self.labels[-1]} names of classes", f"{len(lines)}"))
        return self._split(self.train), self._split(self.test), tuple(lines)

    def fault(self) -> str | None:
        if not self.path.is_dir():
            return self.missing(())
        for name, records in (*self.train, *self.test):
            path, size = self.path / name, records * self.record
            expected = f"{size} bytes ({records} records of {self.record})"
            if not path.is_file():
                return self.wrong(name, expected, "no such file")
            if path.stat().st_size != size:
                return self.wrong(name, expected, f"{path.stat().st_size} bytes")
        if not (self.path / self.names).is_file():
            return self.wrong(self.names, "the names of the classes", "no such file")
        return None

    def _split(self, files: tuple[tuple[str, int], ...]) -> Split:
        tables = [self._table(name) for name, _ in files]
        table = torch.from_numpy(tables[0] if len(tables) == 1 else np.concatenate(tables))
        bytes_of_labels = len(self.labels)
        return Split.whole(table[:, bytes_of_labels:].unflatten(1, (3, 32, 32)), table[:, bytes_of_labels - 1])

    def _table(self, name: str) -> np.ndarray:
        """The records of a file, uint8 (n, bytes), with every label in range."""
        table = np.fromfile(self.path / name, np.uint8).reshape(-1, self.record)
        for byte, limit in enumerate(self.labels):
            beyond = np.flatnonzero(table[:, byte] >= limit)
            if len(beyond):
                found = f"{table[beyond[0], byte]} in record {beyond[0]}"
                raise DataError(self.wrong(name, f"labels 0 to {limit - 1} in byte {byte} of a record", found))
        return table
