"""A packed network: a folder, or a tar of it, with weights, a description and a model card."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from didact.files.checked import write
from didact.files.reading import DamagedError, content, is_file

WEIGHTS, ABOUT, CARD = "model.safetensors", "didact.json", "README.md"

OTHER_FILES = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".safetensors", ".pt", ".pth", ".bin", ".onnx")
"""Suffixes of files of another kind, by which nobody means a folder or a tar."""


def is_tar(path: Path) -> bool:
    """Whether the file is a plain tar archive, whatever it is called."""
    if not is_file(path):
        return False
    with open(path, "rb") as file:
        file.seek(257)
        return file.read(5) == b"ustar"


def member(path: Path, name: str) -> bytes | None:
    """The file ``name`` of the packed network at ``path``; None where there is none.

    Raises:
        DamagedError: it cannot be read.
    """
    if path.is_dir():
        return content(path / name, largest=None) if is_file(path / name) else None
    if not is_tar(path):
        return None
    try:
        with tarfile.open(path, "r:") as archive:
            for entry in archive:
                wanted = entry.isreg() and PurePosixPath(entry.name).name == name
                file = archive.extractfile(entry) if wanted else None
                if file is not None:
                    data = file.read()
                    if len(data) < entry.size:
                        raise DamagedError(f"{path} is truncated")
                    return data
    except (tarfile.TarError, OSError) as error:
        raise DamagedError(f"{path}: {error}") from None
    return None


def pack(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new folder at ``path``, or into a tar where its name ends in .tar.

    It is there completely or not at all; of a folder that fails nothing is left.

    Raises:
        OSError: there is something at ``path``, or nothing can be written there.
    """
    if path.exists() or path.is_symlink():
        raise FileExistsError(f"{path} exists; name another, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tar":
        write(path, _tarred(path.stem, files))
        return
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed: half a file in it would leave, too
    try:
        temporary.mkdir()
        for name, data in files.items():
            write(temporary / name, data)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _tarred(folder: str, files: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same files."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder[:60]}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return whole.getvalue()
