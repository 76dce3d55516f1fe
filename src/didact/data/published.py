"""What a publisher offers for download, and how it comes here: completely or not at all, and only what was published.

The archive's checksum is compared before it is unpacked; it is unpacked beside and renamed; and every data set says what its
files have to be. An archive that somebody put there by hand is taken like one that was downloaded.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from didact.data.source import DataError
from didact.data.split import Labelled
from didact.data.unpack import unpack


@dataclass(frozen=True, kw_only=True)
class Published(ABC):
    """An archive and the folder inside it.

    Attributes:
        url, md5: the archive (.tar.gz or .zip) and its checksum.
        folder: the folder inside it.
        unwanted: names of files in the archive that are not unpacked.
    """

    url: str
    md5: str
    folder: str
    unwanted: tuple[str, ...] = ()

    @abstractmethod
    def read(self, root: Path) -> tuple[Labelled, Labelled, tuple[str, ...]]:
        """Training images, test images and names of the classes; downloads what is missing.

        Raises:
            DataError: no files and no network, or files that are not what was published.
        """

    @abstractmethod
    def fault(self, root: Path) -> str | None:
        """What is wrong with the files under ``root``, judged by names and sizes; None when nothing is."""

    @abstractmethod
    def training(self, root: Path) -> int:
        """How many training images lie under ``root``, where :meth:`fault` finds no fault."""

    @property
    def file(self) -> str:
        """The archive's name."""
        return self.url.rpartition("/")[2]

    def prepare(self, root: Path) -> Path:
        """The folder with the files, downloaded and unpacked if need be, with every file as it was published.

        Raises:
            DataError: the files cannot be downloaded, or one is missing or has another size.
        """
        folder = root / self.folder
        if not os.path.lexists(folder):
            self._unpack(self._download(root))
        fault = self.fault(root)
        if fault is not None:
            raise DataError(fault)
        return folder

    def wrong(self, root: Path, name: str, expected: str, found: str) -> str:
        """What to say of the file or folder ``name`` that is not as it was published, and how to mend it."""
        folder = root / self.folder
        return (
            f"{folder / name}: expected {expected}, found {found}; delete the folder {folder} and it is unpacked or downloaded "
            "again, or set DIDACT_DATA to the folder that holds a complete copy"
        )

    def text(self, root: Path, name: str) -> str:
        """The text of the file ``name``.

        Raises:
            DataError: it cannot be read, or is not in UTF-8.
        """
        try:
            return (root / self.folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(self.wrong(root, name, "text in UTF-8", f"{error}")) from error

    def missing(self, root: Path, names: tuple[str, ...]) -> str | None:
        """A fault for the folder, or the first of the files ``names``, that is not there."""
        folder = root / self.folder
        if not folder.is_dir():
            if os.path.lexists(folder):
                return (
                    f"{folder}: expected a folder, found something else; move it away, or set DIDACT_DATA to another folder"
                )
            return f"{folder} does not exist"
        for name in names:
            if not (folder / name).is_file():
                return self.wrong(root, name, "a file", "no such file")
        return None

    def _download(self, root: Path) -> Path:
        """The archive under ``root``, with the published checksum."""
        import pooch

        path = root / self.file
        if path.exists():
            return self._compared(path)
        missing = f"{self.folder} is not in {root}" if root.exists() else f"{root} does not exist"
        elsewhere = f"set DIDACT_DATA to the folder that holds {self.folder}"
        above = next(folder for folder in (root, *root.parents) if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise DataError(f"{missing}, and nothing can be written there; {elsewhere}")
        try:
            # pooch writes under another name, compares the checksum, then renames
            pooch.retrieve(self.url, known_hash=f"md5:{self.md5}", fname=self.file, path=root)
        except (OSError, ValueError) as error:  # no network (requests' errors are OSErrors), no permission; a wrong checksum
            raise DataError(
                f"{missing}, and {self.url} could not be downloaded ({error}); download it by hand and put it into {root}, or "
                f"{elsewhere}"
            ) from error
        return path

    def _compared(self, path: Path) -> Path:
        """``path``, whose checksum is the published one."""
        import pooch

        try:
            found = pooch.file_hash(str(path), alg="md5")
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}; delete it and it is downloaded again") from error
        if found != self.md5:
            raise DataError(f"{path}: expected the md5 {self.md5}, found {found}; delete it and it is downloaded again")
        return path

    def _unpack(self, path: Path) -> None:
        """Unpack beside and rename: the folder is there completely or not at all."""
        target = path.parent / self.folder
        try:
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unpacking-") as beside:
                unpack(path, Path(beside), self._wanted)
                if not (Path(beside) / self.folder).is_dir():
                    raise DataError(f"{path}: expected the folder {self.folder} in it, found none; nothing was unpacked")
                os.replace(Path(beside) / self.folder, target)
        except OSError as error:
            if not target.is_dir():  # otherwise another process was first, and its folder is as good
                raise DataError(f"{path}: could not be unpacked into {path.parent}: {error}") from error

    def _wanted(self, name: str) -> bool:
        return not name.startswith(tuple(f"{self.folder}/{one}" for one in self.unwanted))
