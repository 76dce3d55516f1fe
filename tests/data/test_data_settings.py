"""Data: names, defaults that are filled in, and errors that say what was meant."""

import dataclasses

import pytest
import torch

from didact.data import Data, apart, describe, facts, load, names, root
from didact.data.cut import cut
from didact.spec import SpecError, digest, from_json, to_json


def test_defaults_are_filled_in_so_that_the_digest_holds_what_was_used():
    assert Data().augment == "crop"
    assert Data(name="cifar100").augment == "crop-flip"
    assert Data(name="CIFAR-100") == Data(name="cifar100", augment="crop-flip")
    assert digest(Data()) == digest(Data(augment="crop")) != digest(Data(augment="none"))


def test_json_round_trip():
    data = Data(name="cifar10", fraction=0.5, per_class=7, validation=0.1, split_seed=3)
    assert from_json(Data, to_json(data)) == data


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "digit"}, "name: unknown data set 'digit'; did you mean 'digits'?"),
        ({"fracton": 0.5}, "fracton: no such setting; did you mean 'fraction'?"),
        ({"fraction": 0}, "fraction: "),
        ({"validation": 1.0}, "validation: "),
        ({"per_class": 0}, "per_class: "),
        ({"augment": "flip"}, "augment: "),
    ],
)
def test_faults_are_explained(settings, message):
    with pytest.raises(SpecError) as error:
        from_json(Data, settings)
    assert message in str(error.value)


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


def test_root_is_the_environment_s_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    assert root() == tmp_path
    monkeypatch.delenv("DIDACT_DATA")
    assert root().name == "didact"


LABELS = torch.arange(10).repeat(30)[torch.randperm(300, generator=torch.Generator().manual_seed(0))]


def counts(rows):
    return LABELS[rows].bincount(minlength=10).tolist()


def test_everything_is_kept_by_default():
    train, aside = cut(LABELS, Data())
    assert train.tolist() == list(range(300))
    assert aside is None


def test_fraction_and_per_class_are_stratified():
    assert counts(cut(LABELS, Data(fraction=0.5))[0]) == [15] * 10
    assert counts(cut(LABELS, Data(fraction=0.5, per_class=4))[0]) == [4] * 10
    assert counts(cut(LABELS, Data(fraction=0.5, per_class=400))[0]) == [15] * 10
    assert counts(cut(LABELS, Data(fraction=0.01))[0]) == [1] * 10


def test_the_validation_split_is_stratified_disjoint_and_cut_from_the_kept():
    data = Data(fraction=0.5, validation=0.2)
    train, aside = cut(LABELS, data)
    assert aside is not None
    assert counts(train) == [12] * 10
    assert counts(aside) == [3] * 10
    kept = cut(LABELS, dataclasses.replace(data, validation=0.0))[0]
    assert sorted([*train.tolist(), *aside.tolist()]) == kept.tolist()


def test_cuts_repeat_and_follow_their_seed():
    data = Data(fraction=0.5)
    assert torch.equal(cut(LABELS, data)[0], cut(LABELS, data)[0])
    assert not torch.equal(cut(LABELS, data)[0], cut(LABELS, dataclasses.replace(data, split_seed=1))[0])


def test_a_smaller_fraction_keeps_a_subset():
    small, large = (set(cut(LABELS, Data(fraction=share))[0].tolist()) for share in (0.2, 0.6))
    assert small < large


def test_a_class_always_keeps_an_image_to_train_on():
    train, aside = cut(LABELS, Data(per_class=2, validation=0.5))
    assert aside is not None
    assert counts(train) == counts(aside) == [1] * 10


def test_a_validation_split_that_would_be_empty_is_refused():
    with pytest.raises(SpecError, match=r"validation: a share of 0\.1 of at most 1 images a class"):
        cut(LABELS, Data(per_class=1, validation=0.1))


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


def test_more_classes_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="digits has 10 classes"):
        Data(name="digits", classes=11)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"fraction": 1e-9}, "data.fraction: 1e-09 of about 100 training images a class is none; write 0.01 or more"),
        (
            {"per_class": 5, "validation": 0.999},
            "data.validation: 0.999 of about 5 images a class leaves none to train on; write 0.8 or less",
        ),
        (
            {"per_class": 1, "validation": 0.9},
            "data.validation: 0.9 of about 1 images a class leaves none to train on; keep more images (fraction, per_class)",
        ),
    ],
)
def test_shares_that_leave_no_image_are_refused_with_the_counts(settings, line):
    with pytest.raises(SpecError) as caught:
        from_json(Data, settings, "data")
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("taught", "shown", "difference"),
    [
        ({"name": "cifar10"}, {"name": "cifar10", "fraction": 0.1, "validation": 0.1, "augment": "none"}, None),
        ({"name": "cifar10", "classes": 10, "per_class": 9, "split_seed": 4}, {"name": "cifar10"}, None),
        (
            {"name": "cifar10"},
            {"name": "stl10"},
            "classes: 10 each, but not the same ones; image size: 32x32 and 96x96; another normalisation",
        ),
        ({"name": "cifar10", "classes": 5}, {"name": "cifar10", "classes": 8}, "classes: 5 and 8"),
        ({"name": "cifar100"}, {"name": "cifar10"}, "classes: 100 and 10; another normalisation"),
        (
            {"name": "cifar10"},
            {},
            "classes: 10 each, but not the same ones; channels: 3 and 1; image size: 32x32 and 16x16; another normalisation",
        ),
    ],
)
def test_what_keeps_a_network_from_other_images(taught, shown, difference):
    assert apart(Data(**taught), Data(**shown)) == difference


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


def test_the_own_size_is_no_setting_and_larger_ones_are_refused():
    assert Data(size=16) == Data() and "size" not in to_json(Data())
    assert digest(Data(size=8)) != digest(Data())
    with pytest.raises(SpecError, match="size: the images of digits are 16x16, and are not enlarged"):
        from_json(Data, {"size": 17})
    with pytest.raises(SpecError, match="size: "):
        from_json(Data, {"size": 0})


def test_another_size_is_another_data_set_for_a_trained_network():
    assert apart(Data(size=8), Data(size=8, fraction=0.5)) is None
    assert apart(Data(), Data(size=8)) == "image size: 16x16 and 8x8; another normalisation"
