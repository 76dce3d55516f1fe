"""CIFAR-10 and CIFAR-100 in their published binary form, downloaded when they are missing.

A record is one or two label bytes followed by 3,072 pixels: red, green and blue planes of 32x32. Nothing half-made is ever
used: the archive's checksum is compared before it is unpacked, it is unpacked beside and renamed, and the size of every file
and the range of every label are compared when it is read. The order of the records is taken as it is found.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from didact.data.source import DataError
from didact.data.split import Split

SITE = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Archive:
    """What was published.

    Attributes:
        file, md5: the archive and its checksum.
        folder: the folder inside it.
        train, test: files with their numbers of records.
        names: the file with one name of a class a line.
        labels: how many values each label byte of a record may take; the last of them is the class.
    """

    file: str
    md5: str
    folder: str
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    names: str
    labels: tuple[int, ...]

    @property
    def record(self) -> int:
        """Bytes in a record."""
        return len(self.labels) + 3 * 32 * 32


ARCHIVES: dict[str, Archive] = {
    "cifar10": Archive(
        file="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        folder="cifar-10-batches-bin",
        train=tuple((f"data_batch_{number}.bin", 10_000) for number in range(1, 6)),
        test=(("test_batch.bin", 10_000),),
        names="batches.meta.txt",
        labels=(10,),
    ),
    "cifar100": Archive(
        file="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        folder="cifar-100-binary",
        train=(("train.bin", 50_000),),
        test=(("test.bin", 10_000),),
        names="fine_label_names.txt",
        labels=(20, 100),
    ),
}


def read(archive: Archive, root: Path) -> tuple[Split, Split, tuple[str, ...]]:
    """Training images, test images and names of the classes; downloads what is missing.

    Raises:
        DataError: no files and no network, or files that are not what was published.
    """
    folder = prepare(archive, root)
    lines = (folder / archive.names).read_text().split()
    if len(lines) != archive.labels[-1]:
        raise DataError(_wrong(folder, archive.names, f"{archive.labels[-1]} names of classes", f"{len(lines)}"))
    return _split(archive, folder, archive.train), _split(archive, folder, archive.test), tuple(lines)


def prepare(archive: Archive, root: Path) -> Path:
    """The folder with the files, downloaded and unpacked if need be, with every file of its published size.

    Raises:
        DataError: the files cannot be downloaded, or one is missing or has another size.
    """
    folder = root / archive.folder
    if not folder.is_dir():
        _unpack(archive, _download(archive, root))
    wrong = fault(archive, root)
    if wrong is not None:
        raise DataError(wrong)
    return folder


def fault(archive: Archive, root: Path) -> str | None:
    """What is wrong with the files under ``root``, judged by their sizes; None when nothing is."""
    folder = root / archive.folder
    if not folder.is_dir():
        return f"{folder} does not exist"
    for name, records in (*archive.train, *archive.test):
        size = records * archive.record
        expected = f"{size} bytes ({records} records of {archive.record})"
        if not (folder / name).is_file():
            return _wrong(folder, name, expected, "no such file")
        if (folder / name).stat().st_size != size:
            return _wrong(folder, name, expected, f"{(folder / name).stat().st_size} bytes")
    if not (folder / archive.names).is_file():
        return _wrong(folder, archive.names, "the names of the classes", "no such file")
    return None


def _wrong(folder: Path, name: str, expected: str, found: str) -> str:
    return (
        f"{folder / name}: expected {expected}, found {found}; delete the folder {folder} and it is unpacked or downloaded "
        "again, or set DIDACT_DATA to the folder that holds a complete copy"
    )


def _download(archive: Archive, root: Path) -> Path:
    """The archive under ``root``, with the published checksum."""
    import pooch

    path = root / archive.file
    if path.exists():
        found = pooch.file_hash(str(path), alg="md5")
        if found != archive.md5:
            raise DataError(f"{path}: expected the md5 {archive.md5}, found {found}; delete it and it is downloaded again")
        return path
    try:
        # pooch writes under another name, compares the checksum, then renames
        pooch.retrieve(SITE + archive.file, known_hash=f"md5:{archive.md5}", fname=archive.file, path=root)
    except (OSError, ValueError) as error:  # no network (requests' errors are OSErrors), no permission; a wrong checksum
        raise DataError(
            f"{archive.folder} is not in {root}, and {SITE + archive.file} could not be downloaded ({error}); download it "
            f"by hand and put it into {root}, or set DIDACT_DATA to the folder that holds {archive.folder}"
        ) from error
    return path


def _unpack(archive: Archive, path: Path) -> None:
    """Unpack beside and rename: the folder is there completely or not at all."""
    target = path.parent / archive.folder
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unpacking-") as beside:
        with tarfile.open(path) as tar:
            tar.extractall(beside, filter="data")
        try:
            os.replace(Path(beside) / archive.folder, target)
        except OSError:
            if not target.is_dir():  # otherwise another process was first, and its folder is as good
                raise


def _split(archive: Archive, folder: Path, files: tuple[tuple[str, int], ...]) -> Split:
    tables = [_table(archive, folder, name) for name, _ in files]
    table = torch.from_numpy(tables[0] if len(tables) == 1 else np.concatenate(tables))
    bytes_of_labels = len(archive.labels)
    return Split.whole(table[:, bytes_of_labels:].unflatten(1, (3, 32, 32)), table[:, bytes_of_labels - 1])


def _table(archive: Archive, folder: Path, name: str) -> np.ndarray:
    """The records of a file, uint8 (n, bytes), with every label in range."""
    table = np.fromfile(folder / name, np.uint8).reshape(-1, archive.record)
    for byte, limit in enumerate(archive.labels):
        beyond = np.flatnonzero(table[:, byte] >= limit)
        if len(beyond):
            found = f"{table[beyond[0], byte]} in record {beyond[0]}"
            raise DataError(_wrong(folder, name, f"labels 0 to {limit - 1} in byte {byte} of a record", found))
    return table
