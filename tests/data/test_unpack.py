"""Archives that hold what they should not, or are none: what is said, that nothing is left, and nothing gets outside."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from didact.data import DataError
from didact.data.contract import NoRoomError
from support.images import FILES, TINY


def packed(*extra: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """The whole data set as a tar, and further members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        members = [(tarfile.TarInfo(f"tiny/{name}"), content) for name, content in FILES.items()]
        for info, content in (*members, *extra):
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, to, mode
    return info, b"outside" if kind == tarfile.REGTYPE else b""


def zipped(*names: str, folder: str = "tiny") -> bytes:
    """The whole data set as a zip, and further members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"{folder}/{name}", content)
        for name in names:
            archive.writestr(name, b"outside")
    return buffer.getvalue()


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """Puts an archive of these bytes where data sets are, and asks for the data set; returns its folder."""

    def prepare(content: bytes) -> Path:
        root = tmp_path / "below" / "root"
        root.mkdir(parents=True)
        (root / "tiny.tar.gz").write_bytes(content)
        monkeypatch.setenv("DIDACT_DATA", str(root))
        dataclasses.replace(TINY, md5=hashlib.md5(content).hexdigest()).prepare()
        return root / "tiny"

    return prepare


def left(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink())


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (member("../outside"), "holds '../outside', which is not below its own folder"),
        (member("tiny/../../outside"), "holds 'tiny/../../outside', which is not below"),
        (member("/tmp/outside"), "holds '/tmp/outside', which is not below"),
        (member("C:\\outside"), "which is not below"),
        (member("tiny\\..\\..\\outside"), "which is not below"),
        (member("tiny/link", tarfile.SYMTYPE, "../../.."), "holds 'tiny/link', which is no plain file"),
        (member("tiny/link", tarfile.LNKTYPE, "../outside"), "holds 'tiny/link', which is no plain file"),
        (member("tiny/pipe", tarfile.FIFOTYPE), "holds 'tiny/pipe', which is no plain file"),
        (member("tiny/device", tarfile.CHRTYPE), "holds 'tiny/device', which is no plain file"),
    ],
)
def test_what_is_no_plain_file_below_the_folder_is_refused(
    extra: tuple[tarfile.TarInfo, bytes], said: str, prepared: Callable[[bytes], Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        prepared(packed(extra))
    assert said in str(error.value)
    assert "tiny.tar.gz: " in str(error.value)
    assert "nothing was unpacked" in str(error.value)
    assert left(tmp_path) == ["below/root/tiny.tar.gz"]


def test_owners_and_permissions_are_not_taken_over(prepared: Callable[[bytes], Path]) -> None:
    folder = prepared(packed(member("tiny/more", mode=0o6777), member("tiny/empty", tarfile.DIRTYPE)))
    assert (folder / "more").read_bytes() == b"outside"
    assert (folder / "more").stat().st_mode & 0o6111 == 0


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "tiny/../../outside"])
def test_a_zip_is_held_to_the_same(name: str, prepared: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="which is not below its own folder; nothing was unpacked"):
        prepared(zipped(name))
    assert left(tmp_path) == ["below/root/tiny.tar.gz"]


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive at all", packed()[:-20], packed()[:60], zipped()[:-30], zipped()[:90]],
    ids=["empty", "text", "cut", "short", "zip cut", "zip short"],
)
def test_an_archive_that_is_damaged(content: bytes, prepared: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiny.tar.gz: could not be unpacked: .+; delete it and it is downloaded again"):
        prepared(content)
    assert left(tmp_path) == ["below/root/tiny.tar.gz"]


def test_a_zip_with_a_changed_byte(prepared: Callable[[bytes], Path], tmp_path: Path) -> None:
    content = zipped()
    at = content.index(b"a b")
    with pytest.raises(DataError, match="could not be unpacked: Bad CRC-32"):
        prepared(content[:at] + b"A" + content[at + 1 :])
    assert left(tmp_path) == ["below/root/tiny.tar.gz"]


def test_an_archive_of_another_folder(prepared: Callable[[bytes], Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the folder tiny in it, found none; nothing was unpacked"):
        prepared(zipped(folder="other"))
    assert left(tmp_path) == ["below/root/tiny.tar.gz"]


def test_a_disk_that_is_full_is_said_so(
    prepared: Callable[[bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(NoRoomError, match=r"No space left on device; make room, or unpack it by hand into .*root"):
        prepared(packed())
    assert left(tmp_path) == ["below/root/tiny.tar.gz"]


def test_a_file_in_the_place_of_the_folder_or_a_folder_in_the_place_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    (tmp_path / "tiny.tar.gz").mkdir()
    with pytest.raises(DataError, match=r"tiny.tar.gz: cannot be read: Is a directory"):
        TINY.prepare()
    (tmp_path / "tiny").write_text("")
    with pytest.raises(DataError, match="tiny: expected a folder, found something else; move it away"):
        TINY.prepare()
