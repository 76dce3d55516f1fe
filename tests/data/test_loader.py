"""The loader: every image once, decided by the seed, the epoch and the image alone."""

import dataclasses
from functools import cache

import pytest
import torch

from didact.data import Data, Loader, evaluation_batches, load
from didact.data.augment import crop_flip, draw, normalise
from didact.spec import SpecError


@cache
def digits(**settings):
    return load(Data(**settings))


@cache
def flipping():
    """Digits treated like photographs, so that flips are seen too."""
    return load(Data(per_class=11, augment="crop-flip"))


def shown(loader, epoch):
    """The rendering of every image in an epoch, by its index: (n, ...)."""
    batches = list(loader.epoch(epoch))
    index = torch.cat([b.index for b in batches])
    return torch.cat([b.images for b in batches])[index.argsort()]


def same(first, second):
    return all(torch.equal(a.images, b.images) and torch.equal(a.index, b.index) for a, b in zip(first, second, strict=True))


def test_batches_are_what_networks_take():
    batch = next(Loader(digits(), batch_size=64, data_seed=0).epoch(0))
    assert len(batch) == 64
    assert batch.images.shape == (64, 1, 16, 16)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch.labels, digits().train.labels[batch.index])
    assert batch.views == {}


def test_every_image_once_an_epoch_in_another_order():
    loader = Loader(digits(), batch_size=64, data_seed=0)
    orders = [torch.cat([b.index for b in loader.epoch(epoch)]) for epoch in (0, 1)]
    for order in orders:
        assert order.sort().values.tolist() == list(range(1000))
    assert not torch.equal(*orders)


def test_the_same_seed_and_epoch_give_the_same_batches():
    one, two = (Loader(flipping(), batch_size=16, data_seed=5) for _ in range(2))
    list(two.epoch(0))  # what was asked before leaves no trace
    assert same(one.epoch(3), two.epoch(3))
    assert not torch.equal(shown(one, 3), shown(one, 4))
    assert not torch.equal(shown(one, 3), shown(Loader(flipping(), batch_size=16, data_seed=6), 3))


def test_what_happens_to_an_image_depends_on_neither_batch_size_nor_views():
    reference = shown(Loader(flipping(), batch_size=16, data_seed=0), 2)
    assert torch.equal(reference, shown(Loader(flipping(), batch_size=22, data_seed=0), 2))
    assert torch.equal(reference, shown(Loader(flipping(), batch_size=16, data_seed=0, views=frozenset({"rotations"})), 2))


def test_an_image_is_cropped_as_its_draw_says():
    data = flipping()
    drawn = draw(len(data.train), "crop-flip", data.padding, 9, 4)
    everything = torch.arange(len(data.train))
    pixels = crop_flip(data.train.images, everything, drawn.dy, drawn.dx, drawn.flip, data.padding)
    expected = normalise(pixels, torch.tensor(data.mean), torch.tensor(data.std))
    assert torch.equal(shown(Loader(data, batch_size=32, data_seed=9), 4), expected)


def test_without_augmentation_images_are_only_shuffled():
    data = digits(augment="none")
    plain = torch.cat([b.images for b in evaluation_batches(data, data.train)])
    assert torch.equal(shown(Loader(data, batch_size=100, data_seed=0), 0), plain)


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(64, [64, 46]), (109, [109]), (108, [108, 2]), (110, [110]), (500, [110]), (1, [1] * 110)],
)
def test_the_last_batch_is_kept_unless_it_is_a_single_image(batch_size, sizes):
    loader = Loader(flipping(), batch_size=batch_size, data_seed=0)
    assert [len(b) for b in loader.epoch(0)] == sizes
    assert len(loader) == len(sizes)


def test_rotations_are_a_view_of_the_same_images():
    loader = Loader(flipping(), batch_size=16, data_seed=0, views=frozenset({"rotations"}))
    batch = next(loader.epoch(0))
    rotated = batch.views["rotations"]
    assert rotated.shape == (64, 1, 16, 16)
    assert torch.equal(rotated[::4], batch.images)
    assert rotated.is_contiguous(memory_format=torch.channels_last)
    assert same(loader.epoch(0), Loader(flipping(), batch_size=16, data_seed=0).epoch(0))
    again = next(Loader(flipping(), batch_size=4, data_seed=0, views=frozenset({"rotations"})).epoch(0))
    assert torch.equal(again.views["rotations"], rotated[:16])


def test_rotations_of_whole_images_are_turned_and_nothing_else():
    loader = Loader(digits(augment="none"), batch_size=8, data_seed=0, views=frozenset({"rotations"}))
    batch = next(loader.epoch(0))
    for quarter in range(4):
        assert torch.equal(batch.views["rotations"][quarter::4], torch.rot90(batch.images, quarter, (2, 3)))


def test_faults_are_explained():
    with pytest.raises(SpecError, match="unknown view 'rotation'; did you mean 'rotations'"):
        Loader(digits(), batch_size=8, data_seed=0, views=frozenset({"rotation"}))
    single = dataclasses.replace(digits(), train=digits().train.take(torch.tensor([3])))
    with pytest.raises(SpecError, match="at least 2 images"):
        Loader(single, batch_size=8, data_seed=0)


def test_evaluation_is_in_order_and_complete():
    data = digits()
    batches = list(evaluation_batches(data, data.test, batch_size=398))
    assert [len(b) for b in batches] == [398, 398, 1]
    assert torch.cat([b.index for b in batches]).tolist() == list(range(797))
    assert torch.equal(torch.cat([b.labels for b in batches]), data.test.labels)
    expected = (data.test.images / 255 - torch.tensor(data.mean)) / torch.tensor(data.std)
    assert torch.equal(torch.cat([b.images for b in batches]), expected)
