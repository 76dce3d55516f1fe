"""CIFAR's binary layout: read as published, and every way in which files can be wrong. The archives here are tiny."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from didact.data import Data, DataError, available, describe, load
from didact.data.cifar import CIFAR, SITE
from didact.data.sets import cifar10, cifar100
from support.images import facts

REAL = Path(os.environ.get("DIDACT_DATA", "/nowhere"))


def table(records, labels, seed):
    """Random records whose last label byte counts up."""
    rows = np.random.default_rng(seed).integers(0, 256, (records, len(labels) + 3072), dtype=np.uint8)
    for byte, limit in enumerate(labels):
        rows[:, byte] = np.arange(records) % limit
    return rows


TINY = CIFAR(
    facts=facts(3, (3, 32, 32), 10, 5),
    url=f"{SITE}tiny.tar.gz",
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


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))


def test_records_are_read_as_published(tmp_path):
    write(tmp_path / "tiny")
    train, test, names = TINY.read()
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
    train, _, _ = ten.read()
    assert train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert np.array_equal(train.images[3, 1].numpy().ravel(), rows[3, 1 + 1024 : 1 + 2048])


def test_the_published_facts():
    assert (cifar10.DATA_SET.record, cifar100.DATA_SET.record) == (3073, 3074)
    for data_set in (cifar10.DATA_SET, cifar100.DATA_SET):
        about = data_set.facts
        assert sum(records for _, records in data_set.train) == about.train == 50_000
        assert sum(records for _, records in data_set.test) == about.test == 10_000
        assert (data_set.labels[-1], about.image) == (about.classes, (3, 32, 32))


# ---------------------------------------------------------------------------------------------- files that are wrong


def fails(root, *words):
    with pytest.raises(DataError) as error:
        TINY.read()
    for word in (*words, f"delete the folder {root / 'tiny'}", "DIDACT_DATA"):
        assert word in str(error.value)


def test_a_missing_file(tmp_path):
    (write(tmp_path / "tiny") / "two.bin").unlink()
    fails(tmp_path, "two.bin: expected 12296 bytes (4 records of 3074), found no such file")
    assert TINY.fault() is not None


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


# ---------------------------------------------------------------------------------------------- by name


def test_a_data_set_is_loaded_by_name_from_the_root(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "DATA_SET", TINY)
    assert not describe("cifar10").present
    write(tmp_path / "tiny")
    assert describe("cifar10").present
    available([Data(name="cifar10"), Data()])
    data = load(Data(name="cifar10", per_class=2, validation=0.5))
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (3, 3, 5)
    assert data.names == ("ant", "bee", "cat")


def test_a_label_out_of_range_is_said_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "DATA_SET", TINY)
    path = write(tmp_path / "tiny") / "one.bin"
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    with pytest.raises(DataError, match="labels 0 to 1 in byte 0 of a record, found 255 in record 0"):
        available([Data(name="cifar10")])


@pytest.mark.skipif(not (REAL / "cifar-100-binary").is_dir(), reason="DIDACT_DATA names no folder with cifar-100-binary")
def test_the_real_cifar100(monkeypatch):
    monkeypatch.setenv("DIDACT_DATA", str(REAL))
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
