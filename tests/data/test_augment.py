"""Crops, flips and turns against NumPy's slicing; even draws; exact normalisation."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from didact.data.augment import Draws, crop_flip, draw, draw_rotations, normalise
from didact.data.renderings import Shifted, rotations


def images(count, channels, side, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, channels, side, side), dtype=torch.uint8, generator=random)


def slow(image, dy, dx, flip, padding):
    """The obvious twin: pad, slice, mirror."""
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    crop = padded[:, dy : dy + height, dx : dx + width]
    return crop[:, :, ::-1] if flip else crop


def test_every_window_of_a_small_image_by_hand():
    image = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3)
    top_left = crop_flip(image, torch.tensor([0]), torch.tensor([0]), torch.tensor([0]), torch.tensor([False]), 1)
    assert top_left[0, 0].tolist() == [[0, 0, 0], [0, 1, 2], [0, 4, 5]]
    mirrored = crop_flip(image, torch.tensor([0]), torch.tensor([2]), torch.tensor([1]), torch.tensor([True]), 1)
    assert mirrored[0, 0].tolist() == [[6, 5, 4], [9, 8, 7], [0, 0, 0]]
    windows = list(itertools.product(range(3), range(3), (False, True)))
    dy, dx, flip = map(torch.tensor, zip(*windows, strict=True))
    all_of_them = crop_flip(image, torch.zeros(18, dtype=torch.int64), dy, dx, flip, 1)
    for found, window in zip(all_of_them, windows, strict=True):
        assert np.array_equal(found.numpy(), slow(image[0].numpy(), *window, 1))


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 4), st.integers(2, 9), st.integers(2, 9), st.integers(0, 4), st.booleans())
def test_any_window_of_any_image(data, channels, height, width, padding, channels_last):
    pixels = torch.randint(256, (6, channels, height, width), dtype=torch.uint8)
    stored = pixels.contiguous(memory_format=torch.channels_last) if channels_last else pixels
    one = st.tuples(st.integers(0, 5), st.integers(0, 2 * padding), st.integers(0, 2 * padding), st.booleans())
    wanted = data.draw(st.lists(one, min_size=1, max_size=5))
    rows, dy, dx, flip = map(torch.tensor, zip(*wanted, strict=True))
    found = crop_flip(stored, rows, dy, dx, flip, padding)
    assert found.dtype == torch.uint8
    for image, (row, y, x, mirrored) in zip(found, wanted, strict=True):
        assert np.array_equal(image.numpy(), slow(pixels[row].numpy(), y, x, mirrored, padding))


def test_offsets_and_flips_are_even():
    drawn = draw(162_000, "crop-flip", 4, 0, 0)
    outcomes = (drawn.dy * 9 + drawn.dx) * 2 + drawn.flip
    seen = outcomes.bincount(minlength=162).double()
    chi_squared = ((seen - 1000) ** 2 / 1000).sum().item()
    assert chi_squared < 161 + 4 * (2 * 161) ** 0.5


def test_what_is_drawn_depends_on_what_is_asked():
    flipped, cropped, plain = draw(500, "crop-flip", 4, 0, 0), draw(500, "crop", 4, 0, 0), draw(500, "none", 0, 0, 0)
    assert torch.equal(flipped.dy, cropped.dy)
    assert flipped.flip.any()
    assert not cropped.flip.any()
    assert not (plain.flip.any() or plain.dy.any() or plain.dx.any())
    for other in (draw(500, "crop-flip", 4, 0, 1), draw(500, "crop-flip", 4, 1, 0)):
        assert not torch.equal(flipped.dy, other.dy)


def test_normalising_is_the_formula_to_the_last_bit_and_channels_last():
    pixels = images(5, 3, 7)
    mean, std = torch.tensor([0.5071, 0.4867, 0.4408]), torch.tensor([0.2675, 0.2565, 0.2761])
    found = normalise(pixels.contiguous(memory_format=torch.channels_last), mean, std)
    assert torch.equal(found, (pixels / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    assert torch.equal(found, normalise(pixels, mean, std))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.dtype == torch.float32


def test_rotations_are_four_rows_an_image_with_one_flip_and_a_crop_each():
    stored, rows = images(6, 3, 5), torch.tensor([4, 1, 3])
    draws = draw_rotations(draw(6, "crop-flip", 2, 0, 0), 2, 0, 0).of(rows)
    found = rotations(Shifted("crop-flip", 2, 0, None), stored, rows, draws).numpy()
    assert found.shape == (12, 3, 5, 5)
    for i, quarter in itertools.product(range(3), range(4)):
        window = (draws.dy[i, quarter], draws.dx[i, quarter], draws.flip[i])
        expected = np.rot90(slow(stored[rows[i]].numpy(), *window, 2), quarter, (1, 2))
        assert np.array_equal(found[4 * i + quarter], expected)


def test_turning_a_crop_is_cropping_the_turned_image():
    """So a uniform crop may be taken before the turn: by hand for a quarter turn, where (dy, dx) becomes (2p - dx, dy)."""
    image = images(1, 1, 5)[0].numpy()
    turned = np.rot90(image, 1, (1, 2))
    assert np.array_equal(np.rot90(slow(image, 1, 3, False, 2), 1, (1, 2)), slow(turned, 4 - 3, 1, False, 2))


def test_the_rotations_have_crops_of_their_own():
    main = draw(2000, "crop-flip", 4, 0, 0)
    drawn = draw_rotations(main, 4, 0, 0)
    assert torch.equal(drawn.dy[:, 0], main.dy)
    assert torch.equal(drawn.flip, main.flip)
    for a, b in itertools.combinations(range(4), 2):
        agreement = (drawn.dy[:, a] == drawn.dy[:, b]).double().mean().item()
        assert agreement == pytest.approx(1 / 9, abs=0.03)


def test_rotations_need_square_images():
    draws = Draws(torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1).bool())
    with pytest.raises(AssertionError, match="square"):
        rotations(
            Shifted("crop", 1, 0, None),
            torch.zeros(1, 1, 2, 3, dtype=torch.uint8),
            torch.zeros(1, dtype=torch.int64),
            draws,
        )
