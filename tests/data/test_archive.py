"""Archives: downloaded, checked and unpacked once; every fault names its remedy. A stand-in for the publisher copies bytes."""

import dataclasses
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from didact.data import Data, DataError, archive, available
from didact.data.archive import root as data_root
from didact.data.sets import cifar100
from didact.data.unpack import unpack
from support.images import FILES, TINY


def write(folder):
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def packed_tiny(tmp_path):
    """The tiny archive with its true checksum, and its bytes."""
    folder = write(tmp_path / "made" / "tiny")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder, "tiny")
    content = buffer.getvalue()
    return dataclasses.replace(TINY, md5=hashlib.md5(content).hexdigest()), content


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The folder of the data sets; it does not exist yet."""
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.fixture
def site(monkeypatch):
    """A publisher that serves ``site["content"]``, and is not to be reached when there is none."""
    served: dict = {"content": None, "asked": []}

    def fetch(url, output_file, _, **__):
        served["asked"].append(url)
        if served["content"] is None:
            raise ConnectionError("no route to host")
        Path(output_file).write_bytes(served["content"])

    monkeypatch.setattr("pooch.core.choose_downloader", lambda *_, **__: fetch)
    return served


def test_what_is_missing_is_downloaded_once(root, packed_tiny, site):
    tiny, site["content"] = packed_tiny
    tiny.prepare()
    assert {path.name: path.read_bytes() for path in (root / "tiny").iterdir()} == FILES
    tiny.prepare()
    assert site["asked"] == ["http://site/tiny.tar.gz"]
    assert sorted(p.name for p in root.iterdir()) == ["tiny", "tiny.tar.gz"]


def test_an_archive_put_there_by_hand_needs_no_network(root, packed_tiny, site):
    tiny, content = packed_tiny
    root.mkdir()
    (root / "tiny.tar.gz").write_bytes(content)
    assert len(tiny.read()[0].labels) == 1
    assert site["asked"] == []


def test_an_archive_with_the_wrong_checksum_is_not_unpacked(root, packed_tiny, site):
    tiny, content = packed_tiny
    root.mkdir()
    (root / "tiny.tar.gz").write_bytes(content[:-1])
    with pytest.raises(DataError, match=f"tiny.tar.gz: expected the md5 {tiny.md5}, found .*; delete it"):
        tiny.prepare()
    assert not (root / "tiny").exists()


def test_a_download_with_the_wrong_checksum_leaves_nothing(root, packed_tiny, site):
    tiny, content = packed_tiny
    site["content"] = content[:-1]
    with pytest.raises(DataError, match=tiny.md5):
        tiny.prepare()
    assert list(root.iterdir()) == []


def test_without_a_network_it_says_what_to_get_and_where_to_put_it(root, packed_tiny, site):
    root.mkdir()
    with pytest.raises(DataError) as error:
        packed_tiny[0].prepare()
    for word in (
        "tiny is not in",
        "http://site/tiny.tar.gz",
        "no route to host",
        f"put it into {root}",
        "DIDACT_DATA",
    ):
        assert word in str(error.value)


def test_what_a_killed_process_left_is_not_used(root, packed_tiny, site):
    tiny, site["content"] = packed_tiny
    left = root / ".unpacking-abc" / "tiny"
    left.mkdir(parents=True)
    (left / "train_X.bin").write_bytes(b"half")
    (root / "tmpdownload").write_bytes(site["content"][:10])
    for path in (left / "train_X.bin", left, left.parent):
        os.utime(path, (0, 0))
    assert len(tiny.read()[0].labels) == 1
    assert not left.parent.exists()  # nothing has changed in it for a day


def test_a_kill_while_unpacking_leaves_no_folder(root, packed_tiny, site):
    tiny, site["content"] = packed_tiny

    def killed(*given):
        unpack(*given)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive, "unpack", killed)
        with pytest.raises(KeyboardInterrupt):
            tiny.prepare()
    assert not (root / "tiny").exists()
    assert len(tiny.read()[0].labels) == 1


def test_two_processes_that_unpack_at_once_both_succeed(root, packed_tiny, site, monkeypatch):
    tiny, site["content"] = packed_tiny

    def overtaken(*given):
        unpack(*given)
        write(root / "tiny")

    monkeypatch.setattr(archive, "unpack", overtaken)
    tiny.prepare()
    assert tiny.path == root / "tiny"


def test_the_folder_that_didact_data_names(tmp_path, monkeypatch, site):
    def said(value):
        monkeypatch.setenv("DIDACT_DATA", str(value))
        with pytest.raises(DataError) as error:
            available([Data(name="cifar100")])
        return str(error.value)

    (tmp_path / "file").write_text("")
    assert (
        said("")
        == said(" ")
        == "DIDACT_DATA is empty; set it to the folder of the data sets, or unset it for the user's cache"
    )
    assert said(tmp_path / "file").startswith(f"DIDACT_DATA names {tmp_path / 'file'}, which is not a folder; set it to")
    assert "cifar-100-binary is not in" in said(tmp_path)
    assert "nothing can be written there; set DIDACT_DATA to" in said(tmp_path / "file" / "below")
    assert said(tmp_path / "no").startswith(
        f"{tmp_path / 'no'} does not exist, and {cifar100.DATA_SET.url} could not be downloaded"
    )
    monkeypatch.setattr(os, "access", lambda *given: False)  # as of a disk that is mounted for reading
    asked = len(site["asked"])
    assert f"cifar-100-binary is not in {tmp_path}, and nothing can be written there" in said(tmp_path)
    assert len(site["asked"]) == asked
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "no"]  # pooch makes the folder


def test_a_tilde_in_didact_data_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DIDACT_DATA", "~/images")
    assert data_root() == tmp_path / "images"
    monkeypatch.setenv("DIDACT_DATA", "~nobody-of-this-name/images")
    assert data_root() == Path("~nobody-of-this-name/images")


def test_available_says_before_training_what_is_missing(tmp_path, monkeypatch, site):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="cifar-100-binary is not in"):
        available([Data(), Data(name="cifar100")])


def test_root_is_the_environment_s_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("DIDACT_DATA")
    assert data_root().name == "didact"
