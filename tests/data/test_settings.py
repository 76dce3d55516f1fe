"""Data: names, defaults that are filled in, and errors that say what was meant."""

import pytest

from didact.data import Data, apart
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


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "66f149c001782553"),
        ({"name": "cifar10"}, "9590eaec4de0ce44"),
        ({"name": "CIFAR-100", "validation": 0.1}, "76be7f697289ff50"),
        ({"name": "stl10", "fraction": 0.5, "split_seed": 3}, "0e65b301e29c4512"),
        ({"name": "Tiny_ImageNet", "classes": 20, "per_class": 7}, "6e032472a9cb4e6f"),
        ({"name": "cifar100", "size": 16}, "7d775863ee6acee0"),
    ],
)
def test_digests_are_the_recorded_ones(settings, expected):
    """A change here makes every stored run another one."""
    assert digest(Data(**settings)) == expected


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        (
            {"per_class": 20, "randaugment": 15, "erase": 0.5},
            "cifar100 20 per class, RandAugment 15, erase 0.5",
        ),
        ({"randaugment": 9, "randaugment_operations": 3}, "cifar100, RandAugment 3 x 9"),
        ({"augment": "crop-flip", "split_seed": 1}, "cifar100"),
        ({"augment": "none"}, "cifar100, augment none"),
        ({"fraction": 0.5, "split_seed": 1}, "cifar100 50 %, split seed 1"),
        ({"validation": 0.1, "size": 16}, "cifar100 at 16x16, 10 % for validation"),
    ],
    ids=str,
)
def test_the_label_says_what_is_not_as_usual(settings, label):
    """Runs on other images, or that see them otherwise, are told apart in tables, and are not one trial of advise."""
    assert Data(name="cifar100", **settings).label == label
