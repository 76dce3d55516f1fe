"""A folder of images as a data set, from its name to a trained run."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from didact import Execution, Store, execute, plan
from didact.data import Data, DataError, Loader, apart, available, describe, facts, here, load
from didact.data.folders.contents import contents
from didact.request.command import alone
from didact.spec import SpecError, digest, from_json, to_json
from support.pictures import classes, picture

COUNTS = {"daisy": 5, "rose": 10, "tulip": 5}


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    return classes(tmp_path / "flowers", COUNTS, height=8, width=10)


def named(folder: Path, **settings: object) -> Data:
    return from_json(Data, {"name": f"folder:{folder}", **settings})


def test_what_it_holds_is_filled_in(flowers: Path) -> None:
    data = named(flowers, size=4)
    assert (data.name, data.holds, data.size, data.augment) == ("folder", (3, 16, 4, 4, 4), 4, "crop-flip")
    assert data.label == f"flowers ({str(data.content)[:8]}) at 4x4"
    about, dataset = facts(data), load(data)
    assert (about.classes, about.image, about.padding) == (3, (3, 4, 4), 1)
    assert dataset.names == ("daisy", "rose", "tulip")
    assert dataset.train.labels.bincount().tolist() == [4, 8, 4]
    pixels = dataset.train.images.double() / 255
    assert dataset.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), abs=5e-5)
    assert dataset.record()["mean"] == list(dataset.mean)
    assert from_json(Data, json.loads(json.dumps(to_json(data)))) == data
    assert replace(data, augment="none", size=2).holds == (3, 16, 4, 2, 2)
    assert here(data) == 16


def test_images_of_one_size_need_no_size(flowers: Path) -> None:
    data = named(flowers)
    assert (data.size, facts(data).image) == (None, (3, 8, 10))
    assert load(data).train.images.shape == (16, 3, 8, 10)
    squares = classes(flowers.parent / "squares", COUNTS)
    assert named(squares) == named(squares, size=6)
    assert describe(f"folder:{squares}").image == (3, 6, 6)
    picture(squares / "rose" / "large.png", 7, 7)
    assert describe(f"folder:{squares}").image is None
    with pytest.raises(SpecError, match=r"size: the images of .*squares differ in size; write how many pixels"):
        named(squares)


def test_its_digest_depends_on_what_it_holds_and_not_on_where_it_lies(flowers: Path) -> None:
    data = named(flowers, size=4)
    moved = flowers.parent / "moved"
    shutil.copytree(flowers, moved)
    shutil.rmtree(flowers)
    assert named(moved, size=4) == data
    assert digest(named(moved, size=4)) == digest(data)
    assert len(load(data).train) == 16  # found where it was seen last
    picture(moved / "rose" / "more.png", 8, 10)
    other = named(moved, size=4)
    assert other.content != data.content
    assert apart(data, other) == "classes: 3 each, but not the same ones"
    with pytest.raises(DataError, match=f"moved has changed: its checksum is {other.content}"):
        load(data)
    shutil.rmtree(moved)
    with pytest.raises(DataError, match=r"was .*moved, where it is no more"):
        load(other)
    assert here(other) is None
    assert facts(other).train == 17  # a run is described without its images


def test_bytes_of_the_same_length_are_other_contents(flowers: Path) -> None:
    def stored(shade: int) -> str:
        file = flowers / "rose" / "raw.bmp"
        picture(file, 8, 10, shade=shade)
        file.rename(flowers / "rose" / "again.bmp")  # so that the folder changes, too
        return contents(f"folder:{flowers}").checksum

    assert stored(1) != stored(2)


def test_it_is_cut_and_augmented_like_any_other(flowers: Path) -> None:
    dataset = load(named(flowers, size=4, classes=2, fraction=0.5, per_class=3, validation=0.4))
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (3, 2, 3)
    batch = next(Loader(dataset, batch_size=3, data_seed=0, views=frozenset({"rotations"})).epoch(0))
    assert (batch.images.shape, batch.views["rotations"].shape) == ((3, 3, 4, 4), (12, 3, 4, 4))
    with pytest.raises(SpecError, match="classes: the folder has 3 classes"):
        named(flowers, size=4, classes=4)


def test_pixels_are_decoded_once(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    data = named(flowers, size=4)
    available([data], told.append)
    assert told[0] == "flowers: 3 classes, 16 training and 4 test images; 4 (daisy) to 8 (rose) training images a class"
    assert any(line.startswith("flowers: images are decoded once, into ") for line in told)
    first = load(data)
    monkeypatch.setattr("didact.data.folders.folder.decode", lambda *_, **__: pytest.fail("decoded again"))
    assert torch.equal(load(data).train.images, first.train.images)
    rows = load(replace(data, per_class=2)).train
    assert torch.equal(rows.images, first.train.images[rows.index])


def test_images_that_cannot_be_decoded(flowers: Path) -> None:
    (flowers / "rose" / "bad.png").write_bytes(b"no image")
    (flowers / "rose" / "gone.png").symlink_to(flowers / "nowhere")
    data = named(flowers, size=4)
    with pytest.raises(DataError) as error:
        available([data])
    bad = (
        "2 of 22 images cannot be decoded: rose/bad.png is no image; rose/gone.png cannot be read: no such file or directory"
    )
    assert f"flowers: {bad}; replace or remove them, or leave them out with data.skip_corrupt=true" in str(error.value)
    told: list[str] = []
    available([replace(data, skip_corrupt=True)], told.append)
    assert told[-1] == f"left out: {bad}"
    dataset = load(replace(data, skip_corrupt=True))
    assert len(dataset.train) + len(dataset.test) == 20
    assert digest(dataset.data) != digest(data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "/"}, "name: unknown data set '/'; a folder of images is written folder:/"),
        ({"name": "folder"}, "name: folder needs a path; write folder:PATH"),
        ({"name": "folder:"}, "name: folder: names no path; write the path of a folder of images"),
        ({"name": "folder:/nowhere/at/all", "size": 4}, "name: there is no folder /nowhere/at/all"),
        ({"skip_corrupt": True}, "skip_corrupt: is for a folder of images (folder:PATH); leave it out"),
        ({"holds": [3, 16, 4, 4, 4]}, "holds: belongs to a folder of images, and is filled in; write name=folder:PATH"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as error:
        from_json(Data, settings)
    assert message in str(error.value)


def test_labels_above_255(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    picture(tmp_path / "image.png", 2, 2)
    folders = [tmp_path / "many" / f"{number:03}" for number in range(300)]
    for folder in folders:
        folder.mkdir(parents=True)
        for name in "ab":
            (folder / f"{name}.png").hardlink_to(tmp_path / "image.png")
    dataset = load(named(tmp_path / "many"))
    assert dataset.train.labels.tolist() == list(range(300))
    assert dataset.order == hashlib.sha256(np.arange(300, dtype="<i4").tobytes()).hexdigest()[:16]


def test_a_student_and_its_teacher_are_trained_on_it(flowers: Path) -> None:
    asked = {"net": "basic-4-1x4-1x4", "teacher": "basic-4-1x4-1x4", "data": {"name": f"folder:{flowers}", "size": 8}}
    (run,) = plan({**asked, "epochs": 1, "precision": "fp32", "recipe": {"batch_size": 8}})
    said: list[str] = []
    store = Store(flowers.parent / "store", say=said.append)
    record = execute([run], store, Execution()).records[run.digest]
    assert any("3 classes, 16 training and 4 test images" in line for line in said)
    assert record.spec()["data"] == to_json(run.data)
    assert str(flowers) not in json.dumps(record.spec())
    words = alone(run.teacher, Path("store"))  # type: ignore[arg-type]
    assert words is not None
    assert f"--data folder:{flowers} --data.size 8" in words
    shutil.rmtree(flowers)
    assert [one for one, _ in Store(flowers.parent / "store").runs()] == [run.teacher, run]
    assert alone(run.teacher, Path("store")) is None  # type: ignore[arg-type]
