"""Runs' folders as bytes, for machines that do not share a file system. What they hold is data and
is checked when it is read.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from didact.files.reading import DamagedError


def packed(root: Path, folders: Iterable[str]) -> bytes:
    """The folders of these names under ``root/runs`` with all files in them, as an uncompressed tar
    archive.

    Weights do not compress. A folder that is not there is left out; so are temporary files, whose
    names begin with a dot.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in folders:
            for path in sorted((root / "runs" / name).rglob("*")):
                if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                    archive.add(path, path.relative_to(root / "runs").as_posix(), recursive=False)
    return buffer.getvalue()


def unpack(data: bytes, root: Path) -> None:
    """Write the files of :func:`packed` under ``root/runs``, each under a temporary name first.

    Raises:
        DamagedError: the bytes are no such archive, or name files elsewhere.
        OSError: the disk is full or cannot be written.
    """
    runs = root / "runs"
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            members = archive.getmembers()
            for member in members:
                parts = Path(member.name).parts
                if not member.isfile() or ".." in parts or Path(member.name).is_absolute():
                    raise DamagedError(f"carried runs hold {member.name!r}, which is no file of a run")
            for member in members:
                _write(archive, member, runs / member.name)
    except tarfile.TarError as error:
        raise DamagedError(f"carried runs cannot be read: {error}") from None


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    from didact.files.checked import write

    file = archive.extractfile(member)
    assert file is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, file.read())
