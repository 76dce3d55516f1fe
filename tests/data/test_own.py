"""A data set of the user's own, from the module to the training batches."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from didact import Execution, Store, execute, plan
from didact.data import Data, DataError, ImageSet, Loader, apart, available, describe, facts, here, load
from didact.data.resize import SAMPLE
from didact.data.split import Split
from didact.spec import SpecError, digest, from_json, to_json

CODE = """
import numpy as np
from didact.data import ImageSet

CALLS = []


def part(count, height=8, width=8):
    labels = np.arange(count) % 3
    images = np.random.default_rng(0).integers(0, 200, (count, 3, height, width), dtype=np.uint8)
    return images + labels.astype(np.uint8)[:, None, None, None], labels


def flowers():
    CALLS.append(1)
    return ImageSet(part(30), part(12), names=["rose", "tulip", "daisy"], source="a garden")


def wide():
    return ImageSet(part(30, 8, 12), part(6, 8, 12), augment="none")


class Meadow(ImageSet):
    def __init__(self):
        super().__init__(part(30), part(12))


def broken():
    return {}["x"]


def strange():
    return 3


def wrong():
    return ImageSet(part(30), (part(12)[0] / 255, part(12)[1]))


READY = flowers()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "garden.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "garden", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def edit(folder: Path, before: str, after: str) -> None:
    """Change the file and import it again, as another process does."""
    file = folder / "garden.py"
    file.write_text(file.read_text().replace(before, after))
    sys.modules.pop("garden")


@pytest.mark.usefixtures("folder")
def test_what_is_not_given_is_computed() -> None:
    about = facts(Data(name="garden:flowers"))
    assert (about.classes, about.image, about.train, about.test) == (3, (3, 8, 8), 30, 12)
    assert (about.augment, about.padding, about.source) == ("crop-flip", 1, "a garden")
    pixels = load(Data(name="garden:flowers")).train.images.double() / 255
    assert about.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), abs=5e-5)
    assert about.std == pytest.approx(pixels.std((0, 2, 3), unbiased=False).tolist(), abs=5e-5)
    assert len(sys.modules["garden"].CALLS) == 2  # READY, and once for all of this


@pytest.mark.usefixtures("folder")
def test_an_object_a_function_and_a_class_are_the_same() -> None:
    contents = {Data(name=f"garden:{name}").content for name in ("READY", "flowers", "Meadow")}
    assert len(contents) == 1
    assert load(Data(name="garden:Meadow")).names == ("0", "1", "2")


@pytest.mark.usefixtures("folder")
def test_it_is_cut_shrunk_and_described_like_any_other() -> None:
    data = Data(name="garden:flowers", classes=2, fraction=0.5, per_class=4, validation=0.25, size=4, augment="crop")
    dataset = load(data)
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (6, 2, 8)
    assert (dataset.names, dataset.image, dataset.train.images.shape[1:]) == (("rose", "tulip"), (3, 4, 4), (3, 4, 4))
    assert dataset.record()["data"]["content"] == data.content
    batch = next(Loader(dataset, batch_size=6, data_seed=0, views=frozenset({"rotations"})).epoch(0))
    assert (batch.images.shape, batch.views["rotations"].shape) == ((6, 3, 4, 4), (24, 3, 4, 4))
    listing = describe("garden:flowers")
    assert (listing.name, listing.classes, listing.train, listing.present) == ("garden:flowers", 3, 30, True)
    assert here("garden:flowers") == 30
    assert from_json(Data, to_json(data)) == data
    with pytest.raises(SpecError, match="garden:flowers has 3 classes"):
        from_json(Data, {"name": "garden:flowers", "classes": 4})


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere:flowers", "name: cannot import 'nowhere' for the data set 'nowhere:flowers': No module named 'nowhere'"),
        ("garden:flower", "name: 'garden' holds no data set 'flower'; did you mean 'flowers'?"),
        ("garden:CALLS", "name: 'garden:CALLS' should be a didact.data.ImageSet, found list"),
        ("garden:strange", "name: 'garden:strange' should return a didact.data.ImageSet, found int"),
        ("garden:broken", "name: garden:broken fails when it is called without arguments: KeyError: 'x' (garden.py:"),
        ("garden:part", "name: garden:part fails when it is called without arguments: "),
        ("garden:wrong", "name: garden:wrong: test: images of the type uint8, 0 to 255, found float64"),
    ],
)
def test_what_is_no_data_set(name: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        from_json(Data, {"name": name})
    assert message in str(error.value)


@pytest.mark.usefixtures("folder")
def test_images_that_are_not_square() -> None:
    with pytest.raises(SpecError, match="size: the images of garden:wide are 8x12, and only square ones are made smaller"):
        from_json(Data, {"name": "garden:wide", "size": 4})
    assert load(Data(name="garden:wide")).train.images.shape == (30, 3, 8, 12)
    (run,) = plan({"net": "resnet8", "teacher": "resnet14", "method": "sskd", "data": "garden:wide"})
    with pytest.raises(SpecError, match="'rotations' turns images by 90 degrees, and these are 8x12; crop them"):
        execute([run], Store("nothing-is-written"), Execution())


def test_other_images_under_the_same_name_are_another_run(folder: Path) -> None:
    small = {
        "net": "basic-4-1x4-1x4",
        "data": "garden:flowers",
        "epochs": 1,
        "precision": "fp32",
        "recipe": {"batch_size": 15},
    }
    (run,) = plan(small)
    first = execute([run], Store(folder / "store"), Execution()).records[run.digest]
    assert (run.data.content, first.spec()["data"]["content"]) == (run.data.content,) * 2
    edit(folder, "(0, 200", "(0, 201")
    (other,) = plan(small)
    assert other.digest != run.digest
    assert apart(run.data, other.data) == "other images under the same name"
    with pytest.raises(DataError, match=f"garden:flowers has changed: its checksum is {other.data.content}"):
        available([run.data])
    edit(folder, "(0, 201", "(0, 200")
    assert plan(small) == [run]


def test_the_checksum_covers_images_labels_and_facts() -> None:
    def content(pixel: int = 7, label: int = 1, **facts: Any) -> str:
        images = np.arange(4 * 16, dtype=np.uint8).reshape(4, 1, 4, 4)
        images[2, 0, 1, 1] = pixel
        return ImageSet((images, [0, 1, 0, label]), (images, [0, 1, 0, 1]), **facts).checksum

    sums = [content(), content(pixel=8), content(label=0), content(padding=2), content(mean=[0.1])]
    assert len(set(sums)) == 5
    assert content() == content(names=["a", "b"])


def test_built_in_data_sets_have_no_checksum() -> None:
    assert "content" not in to_json(Data())
    with pytest.raises(SpecError, match="content: only a data set of your own"):
        from_json(Data, {"name": "cifar10", "content": "abc"})


def test_images_that_exceed_the_memory(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    class Endless:
        labels = torch.arange(10**6) % 2

        def take(self, rows: torch.Tensor) -> Split:
            assert len(rows) <= SAMPLE
            pixels = (rows[:, None, None, None] % 251).to(torch.uint8).expand(-1, 3, 64, 64)
            return Split(pixels, self.labels[rows], rows)

    few = (np.zeros((2, 3, 64, 64), np.uint8), [0, 1])
    monkeypatch.setattr("os.sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 2**18)
    import garden  # type: ignore[import-not-found]

    garden.ENDLESS = ImageSet(Endless(), few)
    message = r"1,000,002 images of 3x64x64 take 12.3 GB, this machine has 1.1 GB of memory; use fewer"
    with pytest.raises(DataError, match=message):
        available([Data(name="garden:ENDLESS")])
    data = Data(name="garden:ENDLESS", per_class=50)
    assert len(load(data).train) == 100
    assert digest(data) == digest(replace(data))
