"""Tiny ImageNet's folders: written here in the published layout, and every way in which they can be wrong."""

import dataclasses
import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from didact.data import Data, DataError, available, describe, here, load
from didact.data.sets import tiny_imagenet
from didact.data.sets.tiny_imagenet import DATA_SET, TinyImageNet
from support.images import facts

REAL = Path(os.environ.get("DIDACT_DATA", "/nowhere"))
WNIDS = ("n03", "n01", "n02")  # as published, in no order
TINY = TinyImageNet(facts=facts(3, (3, 8, 8), 36, 4), url="http://site/tiny.zip", md5="", folder="tiny", unwanted=("test/",))


def picture(path, level, mode="RGB", size=8):
    """A flat image: JPEG keeps it to within a level or two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size, size), level if mode == "L" else (level, 255 - level, 40)).save(path, "JPEG", quality=100)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A part: images 0, 2 and 10 of 12 of every class, level 10 x class + number."""
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    folder = tmp_path / "tiny"
    for wnid in WNIDS:
        for number in (0, 2, 10):
            picture(folder / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", 50 * int(wnid[1:]) + number)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text("ignored\n")
    (folder / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (folder / "words.txt").write_text(
        "n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tbullfrog\nn03\ttailed frog, toad\n"
    )
    lines = []
    for number, wnid in ((3, "n01"), (0, "n03"), (11, "n02"), (2, "n01")):
        picture(folder / "val" / "images" / f"val_{number}.JPEG", 20 * number, "L" if number == 2 else "RGB")
        lines.append(f"val_{number}.JPEG\t{wnid}\t0\t0\t7\t7\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    picture(folder / "test" / "images" / "test_0.JPEG", 0)
    return tmp_path


def test_classes_are_in_order_and_an_index_is_the_published_place(root):
    train, test, names = TINY.read()
    assert names == ("goldfish", "bullfrog", "tailed frog")
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert train.index.tolist() == [0, 2, 10, 12, 14, 22, 24, 26, 34]
    assert (test.labels.tolist(), test.index.tolist()) == ([2, 0, 0, 1], [0, 2, 3, 11])
    assert (TINY.fault(), TINY.here()) == (None, 9)


def test_only_what_is_asked_for_is_decoded(root):
    train, _, _ = TINY.read()
    (root / "tiny/train/n01/images/n01_0.JPEG").write_bytes(b"nonsense")
    split = train.take(torch.tensor([8, 1]))
    assert (split.labels.tolist(), split.index.tolist()) == ([2, 0], [34, 2])
    assert split.images.dtype == torch.uint8
    assert split.images.is_contiguous(memory_format=torch.channels_last)
    expected = torch.tensor([[160, 95, 40], [52, 203, 40]])
    assert (split.images.int() - expected[:, :, None, None]).abs().max() <= 2


def test_grey_images_have_three_equal_channels(root):
    _, test, _ = TINY.read()
    images = test.take(torch.tensor([1])).images
    assert (images.int() - 40).abs().max() <= 2


def test_a_part_is_loaded_by_name_cut_and_told_of(root, monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "DATA_SET", TINY)
    available([Data(name="Tiny_ImageNet")])
    whole = load(Data(name="tiny-imagenet"))
    assert (len(whole.train), len(whole.test), whole.record()["train"]["index"][1]) == (9, 4, 2)
    few = load(Data(name="tiny-imagenet", classes=2, per_class=2, validation=0.5))
    assert few.validation is not None
    assert (len(few.train), len(few.validation), few.test.labels.tolist()) == (2, 2, [0, 0, 1])
    assert (few.train.labels.tolist(), few.names) == ([0, 1], ("goldfish", "bullfrog"))
    listing = describe("tiny-imagenet")
    assert (here("tiny-imagenet"), listing.present, listing.part, listing.train) == (9, True, 9, 36)


def test_the_published_facts():
    about = DATA_SET.facts
    assert (about.train, about.test, about.classes, about.image) == (100_000, 10_000, 200, (3, 64, 64))
    assert DATA_SET.per_class == 500


def test_the_zip_is_unpacked_without_the_test_images(root, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    with zipfile.ZipFile(other / "tiny.zip", "w") as archive:
        for path in sorted((root / "tiny").rglob("*")):
            archive.write(path, path.relative_to(root))
    zipped = dataclasses.replace(TINY, md5=hashlib.md5((other / "tiny.zip").read_bytes()).hexdigest())
    monkeypatch.setenv("DIDACT_DATA", str(other))
    assert len(zipped.read()[0]) == 9
    assert not (other / "tiny" / "test").exists()
    assert sorted(path.name for path in other.iterdir()) == ["tiny", "tiny.zip"]


# ---------------------------------------------------------------------------------------------- files that are wrong


def fails(root, *words):
    with pytest.raises(DataError) as error:
        TINY.read()
    for word in (*words, f"delete the folder {root / 'tiny'}", "DIDACT_DATA"):
        assert word in str(error.value)


def test_a_class_that_is_missing_or_shorter_than_the_others(root):
    (root / "tiny/train/n02/images/n02_2.JPEG").unlink()
    fails(root, "train/n02/images: expected 3 images, as of the other classes (12 were published), found 2")
    shutil.rmtree(root / "tiny/train/n01")
    fails(root, "train/n01/images: expected images (12 were published), found 0")


def test_missing_lists(root):
    (root / "tiny/words.txt").write_text("n01\tgoldfish\nn02\tbullfrog\n")
    fails(root, "words.txt: expected what n03 is called, found no such line")
    (root / "tiny/val/val_annotations.txt").unlink()
    fails(root, "val/val_annotations.txt: expected a file, found no such file")
    (root / "tiny/wnids.txt").write_text("n01\n")
    (root / "tiny/val/val_annotations.txt").write_text("")
    fails(root, "wnids.txt: expected 3 classes, found 1")


def test_annotations_that_are_too_few_or_of_no_class(root):
    path = root / "tiny/val/val_annotations.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:3]))
    fails(root, "val_annotations.txt: expected 4 lines, found 3")
    path.write_text("\n".join([*lines[:3], "val_2.JPEG\tn99"]))
    fails(root, "val_annotations.txt: expected a file, a tab and a class", "line 4: 'val_2.JPEG\\tn99'")


@pytest.mark.parametrize("damage", ["nonsense", "torn", "missing", "size"])
def test_an_image_that_is_not_one(root, damage):
    path = root / "tiny/train/n01/images/n01_2.JPEG"
    train, _, _ = TINY.read()
    if damage == "size":
        picture(path, 3, size=9)
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"nonsense" if damage == "nonsense" else path.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"n01_2.JPEG: expected a JPEG of 8x8 pixels, found.*unpack the data set again"):
        train.take(torch.tensor([1]))


def one_of(kind, path):
    """Something that is no JPEG of 8x8 pixels in RGB or grey, at ``path``."""
    levels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    image = Image.fromarray(levels)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "CMYK":
        image.convert("CMYK").save(path, "JPEG")
    elif kind == "palette":
        image.convert("P").save(path, "PNG")
    elif kind == "16 bit":
        Image.fromarray(levels[:, :, 0].astype(np.uint16)).save(path, "PNG")
    elif kind == "bomb":  # the header says 65,000 x 65,000 pixels
        content = bytearray(path.read_bytes())
        at = content.index(b"\xff\xc0") + 5
        content[at : at + 4] = (65_000).to_bytes(2, "big") * 2
        path.write_bytes(content)
    else:
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("empty", "an empty file"),
        ("CMYK", "one in CMYK, not in RGB or grey"),
        ("palette", "no JPEG"),
        ("16 bit", "no JPEG"),
        ("bomb", "Image size"),
        ("folder", ".*Is a directory"),
    ],
)
def test_a_wrong_image_is_named_before_training(root, kind, found, monkeypatch):
    monkeypatch.setattr(tiny_imagenet, "DATA_SET", TINY)
    one_of(kind, root / "tiny/train/n03/images/n03_2.JPEG")
    available([Data(name="tiny-imagenet", classes=2)])  # what is not asked for is not looked at
    with pytest.raises(DataError, match=rf"n03/images/n03_2.JPEG: expected a JPEG of 8x8 pixels, found {found}"):
        available([Data(), Data(name="tiny-imagenet", classes=3)])


def test_names_that_begin_with_a_dot_belong_to_no_class(root):
    """What macOS leaves beside copied files: for every image, or for one."""
    images = root / "tiny/train/n01/images"
    for names in (("._n01_0.JPEG", "._n01_2.JPEG", "._n01_10.JPEG"), ("._n01_7.JPEG", ".DS_Store", ".n01_1.JPEG")):
        for name in names:
            (images / name).write_bytes(b"\0\5\x16\7Mac OS X")
        train, _, _ = TINY.read()
        assert train.index.tolist() == [0, 2, 10, 12, 14, 22, 24, 26, 34]
        assert len(train.take(torch.arange(9))) == 9


def test_two_files_of_one_number_and_a_number_beyond_the_published_ones(root):
    images = root / "tiny/train/n02/images"
    picture(images / "n02_02.JPEG", 0)
    fails(root, "train/n02/images: expected one image of the number 2, found n02_02.JPEG and n02_2.JPEG")
    (images / "n02_02.JPEG").rename(images / "n02_12.JPEG")
    fails(root, "train/n02/images: expected numbers below 12, found n02_12.JPEG")
    assert describe_in(root).present is False


def describe_in(root):
    with pytest.MonkeyPatch.context() as here:
        here.setattr(tiny_imagenet, "DATA_SET", TINY)
        here.setenv("DIDACT_DATA", str(root))
        return describe("tiny-imagenet")


def test_an_image_annotated_twice(root):
    path = root / "tiny/val/val_annotations.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], lines[0].replace("n01", "n02")]))
    fails(root, "val_annotations.txt: expected one line of the number 3, found several")


def test_the_order_does_not_depend_on_the_directory(root, monkeypatch):
    listed = Path.iterdir
    first = TINY.read()
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(listed(self), reverse=True))
    second = TINY.read()
    assert [split.paths for split in first[:2]] == [split.paths for split in second[:2]]


def test_lists_are_read_in_utf_8_whatever_the_system_says(root):
    path = root / "tiny/words.txt"
    path.write_bytes("n01\tpoisson rouge à queue\nn02\t日本の蛙\nn03\tfrog\n".encode())
    assert TINY.read()[2] == ("poisson rouge à queue", "日本の蛙", "frog")
    path.write_bytes("n01\tgrün\nn02\tb\nn03\tc\n".encode("latin-1"))
    fails(root, "words.txt: expected text in UTF-8, found 'utf-8' codec can't decode")


@pytest.mark.skipif(not (REAL / "tiny-imagenet-200").is_dir(), reason="DIDACT_DATA names no folder with tiny-imagenet-200")
def test_the_real_tiny_imagenet():
    data = load(Data(name="tiny-imagenet", per_class=4))
    assert (len(data.train), len(data.test), len(set(data.names))) == (800, 10_000, 200)
    assert (data.names[0], data.test.labels.bincount().tolist()) == ("goldfish", [50] * 200)
    assert torch.equal(data.train.index // 500, data.train.labels)
    scaled = data.test.images.double() / 255
    assert np.allclose(scaled.mean((0, 2, 3)), data.mean, atol=0.01)
    assert np.allclose(scaled.std((0, 2, 3)), data.std, atol=0.01)
