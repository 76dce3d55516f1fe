"""Which training images are kept and which are set aside."""

import dataclasses

import pytest
import torch

from didact.data import Data
from didact.data.subset import cut
from didact.spec import SpecError

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
