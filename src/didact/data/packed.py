"""CIFAR-10 and CIFAR-100 in their published binary form.

A record is one or two label bytes followed by 3,072 pixels: red, green and blue planes of 32x32. The size of every file and
the range of every label are compared when it is read. The order of the records is taken as it is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from didact.data.published import Published
from didact.data.source import DataError
from didact.data.split import Split

SITE = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True, kw_only=True)
class Archive(Published):
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

    def read(self, root: Path) -> tuple[Split, Split, tuple[str, ...]]:
        self.prepare(root)
        lines = self.text(root, self.names).split()
        if len(lines) != self.labels[-1]:
            raise DataError(self.wrong(root, self.names, f"{self.labels[-1]} names of classes", f"{len(lines)}"))
        return self._split(root, self.train), self._split(root, self.test), tuple(lines)

    def fault(self, root: Path) -> str | None:
        if not (root / self.folder).is_dir():
            return self.missing(root, ())
        for name, records in (*self.train, *self.test):
            path, size = root / self.folder / name, records * self.record
            expected = f"{size} bytes ({records} records of {self.record})"
            if not path.is_file():
                return self.wrong(root, name, expected, "no such file")
            if path.stat().st_size != size:
                return self.wrong(root, name, expected, f"{path.stat().st_size} bytes")
        if not (root / self.folder / self.names).is_file():
            return self.wrong(root, self.names, "the names of the classes", "no such file")
        return None

    def training(self, root: Path) -> int:
        return sum(records for _, records in self.train)

    def _split(self, root: Path, files: tuple[tuple[str, int], ...]) -> Split:
        tables = [self._table(root, name) for name, _ in files]
        table = torch.from_numpy(tables[0] if len(tables) == 1 else np.concatenate(tables))
        bytes_of_labels = len(self.labels)
        return Split.whole(table[:, bytes_of_labels:].unflatten(1, (3, 32, 32)), table[:, bytes_of_labels - 1])

    def _table(self, root: Path, name: str) -> np.ndarray:
        """The records of a file, uint8 (n, bytes), with every label in range."""
        table = np.fromfile(root / self.folder / name, np.uint8).reshape(-1, self.record)
        for byte, limit in enumerate(self.labels):
            beyond = np.flatnonzero(table[:, byte] >= limit)
            if len(beyond):
                found = f"{table[beyond[0], byte]} in record {beyond[0]}"
                raise DataError(self.wrong(root, name, f"labels 0 to {limit - 1} in byte {byte} of a record", found))
        return table


ARCHIVES: dict[str, Archive] = {
    "cifar10": Archive(
        url=f"{SITE}cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        train=tuple((f"data_batch_{number}.bin", 10_000) for number in range(1, 6)),
        test=(("test_batch.bin", 10_000),),
        names="batches.meta.txt",
        labels=(10,),
    ),
    "cifar100": Archive(
        url=f"{SITE}cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        train=(("train.bin", 50_000),),
        test=(("test.bin", 10_000),),
        names="fine_label_names.txt",
        labels=(20, 100),
    ),
}
