"""Runs' folders as bytes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from didact.execution.carried import packed, unpack
from didact.files.checked import DamagedError


def test_folders_arrive_as_they_were(tmp_path: Path) -> None:
    there = tmp_path / "there" / "runs"
    (there / "a" / "route").mkdir(parents=True)
    (there / "b").mkdir()
    (there / "a" / "spec.json").write_text("{}")
    (there / "a" / "route" / "3.safetensors").write_bytes(b"\0\1")
    (there / "a" / ".spec.json.7.tmp").write_text("half")
    (there / "b" / "other").write_text("no")
    (there / "a" / "link").symlink_to("/etc/hosts")
    unpack(packed(tmp_path / "there", ["a", "missing"]), tmp_path / "here")
    found = {path.relative_to(tmp_path / "here").as_posix() for path in (tmp_path / "here").rglob("*") if path.is_file()}
    assert found == {"runs/a/spec.json", "runs/a/route/3.safetensors"}
    assert (tmp_path / "here/runs/a/route/3.safetensors").read_bytes() == b"\0\1"


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_nothing_is_written_elsewhere(name: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(DamagedError, match="no file of a run"):
        unpack(buffer.getvalue(), tmp_path / "here")
    assert not list(tmp_path.rglob("outside"))


def test_links_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("a/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(DamagedError, match="no file of a run"):
        unpack(buffer.getvalue(), tmp_path)


@pytest.mark.parametrize("data", [b"", b"no archive", b"x" * 2000])
def test_what_is_no_archive_is_damage(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="cannot be read"):
        unpack(data, tmp_path)
