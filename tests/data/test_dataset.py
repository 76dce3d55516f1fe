"""Data sets in memory: parts, sizes, descriptions."""

import pytest
import torch

from didact.data import Data, DataError, Split, describe, facts, load, names
from didact.data.sets import digits
from didact.spec import SpecError


def test_every_data_set_is_described_without_loading(monkeypatch, tmp_path):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    assert names() == ["cifar10", "cifar100", "digits", "stl10", "tiny-imagenet"]
    for name in names():
        listing = describe(name)
        about = facts(Data(name=name))
        assert (listing.classes, listing.image, listing.train) == (about.classes, about.image, about.train)
        assert listing.present == (name == "digits")
    assert describe("CIFAR-10").where == str(tmp_path / "cifar-10-batches-bin")
    with pytest.raises(SpecError, match="did you mean 'digits'"):
        describe("digit")


def test_fewer_classes_are_the_first_ones_of_both_splits() -> None:
    data = Data(name="digits", classes=3, per_class=10)
    dataset = load(data)
    assert facts(data).classes == dataset.classes == len(dataset.names) == 3
    assert (len(dataset.train), dataset.train.labels.max().item()) == (30, 2)
    whole = load(Data(name="digits"))
    assert len(dataset.test) == int((whole.test.labels < 3).sum())
    assert torch.equal(dataset.train.images, whole.train.images[torch.isin(whole.train.index, dataset.train.index)])
    assert dataset.record()["train"]["index"] == dataset.train.index.tolist()
    assert data.label == "digits 3 classes 10 per class"


def test_a_smaller_size_has_its_own_shape_padding_and_statistics():
    data = Data(size=8)
    assert (facts(data).image, facts(data).padding) == ((1, 8, 8), 1)
    assert facts(Data(name="cifar100", size=16)).padding == 2
    whole, smaller = load(Data()), load(data)
    assert smaller.image == (1, 8, 8) and smaller.train.images.shape == (1000, 1, 8, 8)
    assert torch.equal(smaller.test.labels, whole.test.labels)
    assert smaller.mean == pytest.approx(whole.mean, abs=0.002)  # an area average keeps the mean, up to rounding
    assert smaller.std[0] < whole.std[0]
    assert smaller.record()["std"] == list(smaller.std)
    few = load(Data(size=8, per_class=5, validation=0.2))
    assert few.std == smaller.std  # whatever is kept
    assert few.validation is not None and few.validation.images.shape == (10, 1, 8, 8)
    assert data.label == "digits at 8x8"


def test_a_reader_that_gives_no_whole_levels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(20) % 10
    split = Split(torch.rand(20, 1, 16, 16), labels, torch.arange(20))
    monkeypatch.setattr(digits.Digits, "read", lambda self: (split, split, tuple("0123456789")))
    with pytest.raises(DataError, match=r"digits: images of uint8, found torch.float32"):
        load(Data())
