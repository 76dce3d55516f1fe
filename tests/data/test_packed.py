"""The binary archives: read as published, and every way in which files can be wrong is said with its remedy.

The archives here are made up and tiny; they are downloaded by a stand-in that copies bytes, through pooch's own checks.
"""

import dataclasses
import hashlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from didact.data import Data, DataError, available, describe, load, packed, published, source
from didact.data.dataset import PUBLISHED
from didact.data.packed import Archive
from didact.data.unpack import unpack

REAL = Path(os.environ.get("DIDACT_DATA", "/nowhere"))


def table(records, labels, seed):
    """Random records whose last label byte counts up."""
    rows = np.random.default_rng(seed).integers(0, 256, (records, len(labels) + 3072), dtype=np.uint8)
    for byte, limit in enumerate(labels):
        rows[:, byte] = np.arange(records) % limit
    return rows


TINY = Archive(
    url=f"{packed.SITE}tiny.tar.gz",
    md5="",
    folder="tiny",
    train=(("one.bin", 6), ("two.bin", 4)),
    test=(("test.bin", 5),),
    names="names.txt",
    labels=(2, 3),
)
TABLES = {name: table(records, TINY.labels, seed) for seed, (name, records) in enumerate((*TINY.train, *TINY.test))}


def write(folder):
    folder.mkdir(parents=True)
    for name, rows in TABLES.items():
        rows.tofile(folder / name)
    (folder / "names.txt").write_text("ant\nbee\ncat\n\n")
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


def test_records_are_read_as_published(tmp_path):
    write(tmp_path / "tiny")
    train, test, names = TINY.read(tmp_path)
    rows = np.concatenate([TABLES["one.bin"], TABLES["two.bin"]])
    assert names == ("ant", "bee", "cat")
    assert np.array_equal(train.images.numpy(), rows[:, 2:].reshape(10, 3, 32, 32))
    assert train.labels.tolist() == rows[:, 1].tolist()
    assert train.index.tolist() == list(range(10))
    assert train.images.is_contiguous(memory_format=torch.channels_last)
    assert len(test) == 5


def test_one_label_byte(tmp_path):
    ten = dataclasses.replace(TINY, labels=(3,), train=(("one.bin", 6),), test=(("one.bin", 6),))
    write(tmp_path / "tiny")
    rows = table(6, ten.labels, 7)
    rows.tofile(tmp_path / "tiny" / "one.bin")
    train, _, _ = ten.read(tmp_path)
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(train.images[3, 1].numpy().ravel(), rows[3, 1 + 1024 : 1 + 2048])


def test_the_published_layouts():
    assert {name: archive.record for name, archive in packed.ARCHIVES.items()} == {"cifar10": 3073, "cifar100": 3074}
    for name, archive in packed.ARCHIVES.items():
        about = source.CATALOGUE[name]
        assert sum(records for _, records in archive.train) == about.train
        assert sum(records for _, records in archive.test) == about.test
        assert archive.labels[-1] == about.classes


# ---------------------------------------------------------------------------------------------- files that are wrong


def fails(root, *words):
    with pytest.raises(DataError) as error:
        TINY.read(root)
    for word in (*words, f"delete the folder {root / 'tiny'}", "DIDACT_DATA"):
        assert word in str(error.value)


def test_a_missing_file(tmp_path):
    (write(tmp_path / "tiny") / "two.bin").unlink()
    fails(tmp_path, "two.bin: expected 12296 bytes (4 records of 3074), found no such file")
    assert TINY.fault(tmp_path) is not None


def test_a_truncated_file(tmp_path):
    path = write(tmp_path / "tiny") / "test.bin"
    path.write_bytes(path.read_bytes()[:-1])
    fails(tmp_path, "test.bin: expected 15370 bytes (5 records of 3074), found 15369 bytes")


@pytest.mark.parametrize(("byte", "limit"), [(0, 2), (1, 3)])
def test_a_label_out_of_range(tmp_path, byte, limit):
    path = write(tmp_path / "tiny") / "one.bin"
    content = bytearray(path.read_bytes())
    content[3074 * 4 + byte] = limit
    path.write_bytes(content)
    fails(tmp_path, f"expected labels 0 to {limit - 1} in byte {byte} of a record, found {limit} in record 4")


def test_class_names_that_are_missing_or_too_few(tmp_path):
    path = write(tmp_path / "tiny") / "names.txt"
    path.write_text("ant\nbee\n")
    fails(tmp_path, "names.txt: expected 3 names of classes, found 2")
    path.unlink()
    fails(tmp_path, "names.txt: expected the names of the classes, found no such file")


# ---------------------------------------------------------------------------------------------- downloads


def test_what_is_missing_is_downloaded_once(tmp_path, packed_tiny, site):
    archive, site["content"] = packed_tiny
    root = tmp_path / "root"
    assert archive.prepare(root) == root / "tiny"
    assert np.array_equal(np.fromfile(root / "tiny" / "one.bin", np.uint8).reshape(6, -1), TABLES["one.bin"])
    archive.prepare(root)
    assert site["asked"] == [packed.SITE + "tiny.tar.gz"]
    assert sorted(p.name for p in root.iterdir()) == ["tiny", "tiny.tar.gz"]


def test_an_archive_put_there_by_hand_needs_no_network(tmp_path, packed_tiny, site):
    archive, content = packed_tiny
    (tmp_path / "tiny.tar.gz").write_bytes(content)
    assert len(archive.read(tmp_path)[0]) == 10
    assert site["asked"] == []


def test_an_archive_with_the_wrong_checksum_is_not_unpacked(tmp_path, packed_tiny, site):
    archive, content = packed_tiny
    (tmp_path / "tiny.tar.gz").write_bytes(content[:-1])
    with pytest.raises(DataError, match=f"tiny.tar.gz: expected the md5 {archive.md5}, found .*; delete it"):
        archive.prepare(tmp_path)
    assert not (tmp_path / "tiny").exists()


def test_a_download_with_the_wrong_checksum_leaves_nothing(tmp_path, packed_tiny, site):
    archive, content = packed_tiny
    site["content"] = content[:-1]
    root = tmp_path / "root"
    with pytest.raises(DataError, match=archive.md5):
        archive.prepare(root)
    assert list(root.iterdir()) == []


def test_without_a_network_it_says_what_to_get_and_where_to_put_it(tmp_path, packed_tiny, site):
    with pytest.raises(DataError) as error:
        packed_tiny[0].prepare(tmp_path)
    for word in (
        "tiny is not in",
        packed.SITE + "tiny.tar.gz",
        "no route to host",
        f"put it into {tmp_path}",
        "DIDACT_DATA",
    ):
        assert word in str(error.value)


def test_what_a_killed_process_left_is_not_used(tmp_path, packed_tiny, site):
    archive, site["content"] = packed_tiny
    root = tmp_path / "root"
    left = root / ".unpacking-abc" / "tiny"
    left.mkdir(parents=True)
    (left / "one.bin").write_bytes(b"half")
    (root / "tmpdownload").write_bytes(site["content"][:10])
    assert len(archive.read(root)[0]) == 10


def test_a_kill_while_unpacking_leaves_no_folder(tmp_path, packed_tiny, site, monkeypatch):
    archive, site["content"] = packed_tiny

    def killed(*given):
        unpack(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(published, "unpack", killed)
    with pytest.raises(KeyboardInterrupt):
        archive.prepare(tmp_path / "root")
    assert not (tmp_path / "root" / "tiny").exists()
    monkeypatch.undo()
    assert len(archive.read(tmp_path / "root")[0]) == 10


def test_two_processes_that_unpack_at_once_both_succeed(tmp_path, packed_tiny, site, monkeypatch):
    archive, site["content"] = packed_tiny

    def overtaken(*given):
        unpack(*given)
        write(tmp_path / "root" / "tiny")

    monkeypatch.setattr(published, "unpack", overtaken)
    assert archive.prepare(tmp_path / "root").is_dir()


# ---------------------------------------------------------------------------------------------- by name


def test_a_data_set_is_loaded_by_name_from_the_root(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "cifar10", TINY)
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    assert not describe("cifar10").present
    write(tmp_path / "tiny")
    assert describe("cifar10").present
    available([Data(name="cifar10"), Data()])
    data = load(Data(name="cifar10", per_class=2, validation=0.5))
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 3, 5)
    assert data.names == ("ant", "bee", "cat")


def test_a_label_out_of_range_is_said_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "cifar10", TINY)
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    path = write(tmp_path / "tiny") / "one.bin"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.raises(DataError, match="labels 0 to 1 in byte 0 of a record, found 255 in record 0"):
        available([Data(name="cifar10")])


def test_the_folder_that_didact_data_names(tmp_path, monkeypatch, site):
    archive = packed.ARCHIVES["cifar100"]

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
    assert said(tmp_path / "no").startswith(f"{tmp_path / 'no'} does not exist, and {archive.url} could not be downloaded")
    monkeypatch.setattr(os, "access", lambda *given: False)  # as of a disk that is mounted for reading
    asked = len(site["asked"])
    assert f"cifar-100-binary is not in {tmp_path}, and nothing can be written there" in said(tmp_path)
    assert len(site["asked"]) == asked
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "no"]  # pooch makes the folder


def test_a_tilde_in_didact_data_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DIDACT_DATA", "~/images")
    assert source.root() == tmp_path / "images"
    monkeypatch.setenv("DIDACT_DATA", "~nobody-of-this-name/images")
    assert source.root() == Path("~nobody-of-this-name/images")


def test_available_says_before_training_what_is_missing(tmp_path, monkeypatch, site):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    with pytest.raises(DataError, match="cifar-100-binary is not in"):
        available([Data(), Data(name="cifar100")])


@pytest.mark.skipif(not (REAL / "cifar-100-binary").is_dir(), reason="DIDACT_DATA names no folder with cifar-100-binary")
def test_the_real_cifar100():
    data = load(Data(name="cifar100", validation=0.1))
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (45_000, 5_000, 10_000)
    assert data.test.labels.bincount().tolist() == [100] * 100
    assert data.train.labels.bincount().tolist() == [450] * 100
    assert (data.names[0], data.names[99]) == ("apple", "worm")
    everything = torch.cat([data.train.images, data.validation.images])
    for channel in range(3):
        scaled = everything[:, channel].float() / 255
        assert scaled.mean().item() == pytest.approx(data.mean[channel], abs=5e-4)
        assert scaled.std().item() == pytest.approx(data.std[channel], abs=5e-4)
