"""Archives that publishers offer for download. One is unpacked completely or not at all.

The archive's checksum is compared before it is unpacked. It is unpacked under another name, then
renamed. Every data set checks names and sizes of its files. An archive that was downloaded by hand
is used like any other.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from didact.data.contract import DataError, Facts, NoRoomError, unkept
from didact.data.split import Labelled
from didact.data.unpack import unpack
from didact.files.beside import folder_beside


def root() -> Path:
    """The folder of the data sets: ``DIDACT_DATA``, or a folder of didact in the user's cache. It
    need not exist yet.

    Raises:
        DataError: ``DIDACT_DATA`` is empty, or names a file.
    """
    named = os.environ.get("DIDACT_DATA")
    if named is None:
        import pooch

        return Path(pooch.os_cache("didact"))
    if not named.strip():
        raise DataError("DIDACT_DATA is empty; set it to the folder of the data sets, or unset it for the user's cache")
    folder = Path(os.path.expanduser(named))
    if folder.exists() and not folder.is_dir():
        raise DataError(
            f"DIDACT_DATA names {folder}, which is not a folder; set it to the folder of the data sets, or unset it"
        )
    return folder


@dataclass(frozen=True, kw_only=True)
class Archive(ABC):
    """A data set that is published as an archive with a folder inside it, unpacked under
    :func:`root`.

    Attributes:
        facts: what is known of it.
        url, md5: the archive (.tar.gz or .zip) and its checksum.
        folder: the folder inside it.
        unwanted: names of files in the archive that are not unpacked.
    """

    facts: Facts
    url: str
    md5: str
    folder: str
    unwanted: tuple[str, ...] = ()

    @abstractmethod
    def read(self) -> tuple[Labelled, Labelled, tuple[str, ...]]:
        """Training images, test images and names of the classes; downloads what is missing.

        Raises:
            DataError: no files and no network, or files that differ from what was published.
        """

    @abstractmethod
    def fault(self) -> str | None:
        """What is wrong with the files, judged by names and sizes; None when nothing is.

        Raises:
            DataError: a file cannot be read, or holds what was not published.
        """

    def training(self) -> int:
        """Number of training images in the folder, where :meth:`fault` finds no fault."""
        return self.facts.train

    def here(self) -> int | None:
        """Number of training images on this machine; None when they are missing or damaged."""
        try:
            return None if self.fault() is not None else self.training()
        except DataError:
            return None

    @property
    def path(self) -> Path:
        """The folder of the files; it need not exist yet.

        Raises:
            DataError: ``DIDACT_DATA`` is empty, or names a file.
        """
        return root() / self.folder

    @property
    def where(self) -> str:
        """The folder of the unpacked files."""
        return str(self.path)

    @property
    def file(self) -> str:
        """The archive's name."""
        return self.url.rpartition("/")[2]

    def prepare(self) -> None:
        """Download and unpack the files where they are missing, and check them.

        Raises:
            DataError: the files cannot be downloaded, or one is missing or has another size.
        """
        if not os.path.lexists(self.path):
            self._unpack(self._download(root()))
        fault = self.fault()
        if fault is not None:
            raise DataError(fault)

    def wrong(self, name: str, expected: str, found: str) -> str:
        """The message for the file or folder ``name`` that differs from what was published, with
        the remedy.
        """
        folder = self.path
        return (
            f"{folder / name}: expected {expected}, found {found}; delete the folder {folder} and it is unpacked or downloaded "
            "again, or set DIDACT_DATA to the folder that holds a complete copy"
        )

    def text(self, name: str) -> str:
        """The text of the file ``name``.

        Raises:
            DataError: it cannot be read, or is not in UTF-8.
        """
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(self.wrong(name, "text in UTF-8", f"{error}")) from error

    def missing(self, names: tuple[str, ...]) -> str | None:
        """A fault for the folder, or the first of the files ``names``, that is not there."""
        folder = self.path
        if not folder.is_dir():
            if os.path.lexists(folder):
                return (
                    f"{folder}: expected a folder, found something else; move it away, or set DIDACT_DATA to another folder"
                )
            return f"{folder} does not exist"
        for name in names:
            if not (folder / name).is_file():
                return self.wrong(name, "a file", "no such file")
        return None

    def _download(self, root: Path) -> Path:
        """The archive in the folder ``root``, with the published checksum."""
        import pooch

        path = root / self.file
        if path.exists():
            return self._compared(path)
        missing = f"{self.folder} is not in {root}" if root.exists() else f"{root} does not exist"
        elsewhere = f"set DIDACT_DATA to the folder that holds {self.folder}"
        above = next(folder for folder in (root, *root.parents) if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            kind = NoRoomError if above.is_dir() else DataError
            raise kind(f"{missing}, and nothing can be written there; {elsewhere}")
        try:
            # pooch writes under another name, compares the checksum, then renames
            pooch.retrieve(self.url, known_hash=f"md5:{self.md5}", fname=self.file, path=root)
        except (OSError, ValueError) as error:  # no network (requests' errors are OSErrors), no permission; a wrong checksum
            raise unkept(
                error,
                f"{missing}, and {self.url} could not be downloaded ({error}); download it by hand and put it into {root}, or "
                f"{elsewhere}",
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
            with folder_beside(path.parent, ".unpacking-") as beside:
                unpack(path, beside, self._wanted)
                if not (beside / self.folder).is_dir():
                    raise DataError(f"{path}: expected the folder {self.folder} in it, found none; nothing was unpacked")
                os.replace(beside / self.folder, target)
        except OSError as error:
            if not target.is_dir():  # otherwise another process was first, and its folder is as good
                raise unkept(error, f"{path}: could not be unpacked into {path.parent}: {error}") from error

    def _wanted(self, name: str) -> bool:
        return not name.startswith(tuple(f"{self.folder}/{one}" for one in self.unwanted))
