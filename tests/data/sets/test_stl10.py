"""STL-10's binary layout: bytes written here one by one in the published order, and every way in which files can be wrong."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from didact.data import Data, DataError, load
from didact.data.sets.stl10 import DATA_SET, STL10
from support.images import facts

REAL = Path(os.environ.get("DIDACT_DATA", "/nowhere"))
TINY = STL10(facts=facts(2, (3, 5, 5), 4, 3), url="http://site/tiny.tar.gz", md5="", folder="tiny")


def pixel(image, channel, row, column):
    """A level that no other pixel of the image has."""
    return (17 * image + 75 * channel + 5 * row + column) % 256


def published(images, size):
    """The bytes of an X file: image by image, plane by plane, in each plane column by column."""
    return bytes(
        pixel(image, channel, row, column)
        for image in range(images)
        for channel in range(3)
        for column in range(size)
        for row in range(size)
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    folder = tmp_path / "tiny"
    folder.mkdir()
    for split, images, labels in (("train", 4, [2, 1, 1, 2]), ("test", 3, [1, 2, 1])):
        (folder / f"{split}_X.bin").write_bytes(published(images, 5))
        (folder / f"{split}_y.bin").write_bytes(bytes(labels))
    (folder / "class_names.txt").write_text("plane\nbird\n")
    return tmp_path


def test_columns_become_rows_and_labels_begin_at_zero(root):
    train, test, names = TINY.read()
    assert names == ("plane", "bird")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 0, 0, 1], [0, 1, 0])
    assert (tuple(train.images.shape), len(test)) == ((4, 3, 5, 5), 3)
    for at in np.ndindex(4, 3, 5, 5):
        assert train.images[at].item() == pixel(*at)
    assert train.images.is_contiguous(memory_format=torch.channels_last)
    assert (TINY.fault(), TINY.here()) == (None, 4)


def test_the_published_facts():
    about = DATA_SET.facts
    assert (about.train, about.test, about.classes, about.image) == (5_000, 8_000, 10, (3, 96, 96))


def fails(root, *words):
    with pytest.raises(DataError) as error:
        TINY.read()
    for word in (*words, f"delete the folder {root / 'tiny'}", "DIDACT_DATA"):
        assert word in str(error.value)


def test_a_missing_file(root):
    (root / "tiny" / "test_y.bin").unlink()
    fails(root, "test_y.bin: expected a file, found no such file")


def test_a_truncated_file(root):
    path = root / "tiny" / "train_X.bin"
    path.write_bytes(path.read_bytes()[:-1])
    fails(root, "train_X.bin: expected 300 bytes, found 299 bytes")


@pytest.mark.parametrize("label", [0, 3])
def test_a_label_out_of_range(root, label):
    (root / "tiny" / "train_y.bin").write_bytes(bytes([1, 2, label, 1]))
    fails(root, f"train_y.bin: expected labels 1 to 2, found {label} in record 2")


def test_too_few_names(root):
    (root / "tiny" / "class_names.txt").write_text("plane\n")
    fails(root, "class_names.txt: expected 2 names of classes, found 1")


def test_images_without_labels_are_not_unpacked(root, tmp_path, monkeypatch):
    import tarfile

    (root / "tiny" / "unlabeled_X.bin").write_bytes(b"much")
    with tarfile.open(tmp_path / "tiny.tar.gz", "w:gz") as tar:
        tar.add(root / "tiny", "tiny")
    import hashlib

    md5 = hashlib.md5((tmp_path / "tiny.tar.gz").read_bytes()).hexdigest()
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "tiny.tar.gz").rename(other / "tiny.tar.gz")
    wanted = dataclasses.replace(TINY, md5=md5, unwanted=("unlabeled_X.bin",))
    monkeypatch.setenv("DIDACT_DATA", str(other))
    assert len(wanted.read()[0]) == 4
    assert not (other / "tiny" / "unlabeled_X.bin").exists()


@pytest.mark.skipif(not (REAL / "stl10_binary").is_dir(), reason="DIDACT_DATA names no folder with stl10_binary")
def test_the_real_stl10():
    data = load(Data(name="stl10"))
    assert (len(data.train), len(data.test), data.names[0]) == (5_000, 8_000, "airplane")
    assert data.train.labels.bincount().tolist() == [500] * 10
    for channel in range(3):
        scaled = data.train.images[:, channel].float() / 255
        assert scaled.mean().item() == pytest.approx(data.mean[channel], abs=5e-4)
        assert scaled.std().item() == pytest.approx(data.std[channel], abs=5e-4)
