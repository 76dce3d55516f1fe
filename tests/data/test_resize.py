"""Resizing: against weights by hand, in exact fractions, and against Pillow."""

from fractions import Fraction

import numpy as np
import torch
from PIL import Image

from didact.data.resize import CHUNK, SAMPLE, area_averaged, resized, smaller, statistics
from didact.data.split import Split


def split(images, channels=3, size=16):
    return Split.whole(torch.randint(256, (images, channels, size, size), dtype=torch.uint8), torch.arange(images))


def test_half_the_size_is_a_triangle_of_four_pixels():
    whole = split(2)
    found = resized(whole, 8).images.numpy()
    weights = np.array([1, 3, 3, 1]) / 8
    pixels = whole.images.numpy().astype(np.float64)
    for at in np.ndindex(2, 3):
        for y in range(1, 7):
            for x in range(1, 7):
                window = pixels[at][2 * y - 1 : 2 * y + 3, 2 * x - 1 : 2 * x + 3]
                assert abs(found[at][y, x] - weights @ window @ weights) < 0.51


def test_as_pillow_does_it_to_within_a_level():
    whole = split(4, size=24)
    for size in (8, 9, 24, 40):
        found = resized(whole, size).images
        assert (found.dtype, tuple(found.shape)) == (torch.uint8, (4, 3, size, size))
        assert found.is_contiguous(memory_format=torch.channels_last)
        for image, other in zip(whole.images, found, strict=True):
            pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((size, size), Image.Resampling.BILINEAR)
            assert np.abs(np.asarray(pillow).astype(int) - other.permute(1, 2, 0).numpy()).max() <= 1


def test_labels_and_places_stay_and_one_size_is_no_work():
    whole = split(CHUNK + 3, channels=1, size=4)
    shrunk = resized(whole, 2)
    assert torch.equal(shrunk.labels, whole.labels)
    assert torch.equal(shrunk.index, whole.index)
    last = resized(whole.take(torch.tensor([CHUNK + 2])), 2)
    assert torch.equal(shrunk.images[CHUNK + 2 :], last.images)
    assert resized(whole, 4) is whole


def area(pixels, size):
    """By the definition: every new pixel is the mean over its rectangle, in exact fractions."""
    height, width = pixels.shape

    def overlaps(before, at):
        low, high = Fraction(at * before, size), Fraction((at + 1) * before, size)
        return [(i, max(Fraction(0), min(high, i + 1) - max(low, i))) for i in range(before)]

    result = np.empty((size, size), np.int64)
    for y, x in np.ndindex(size, size):
        rows, columns = overlaps(height, y), overlaps(width, x)
        total = sum(a * b * int(pixels[i, j]) for i, a in rows for j, b in columns)
        result[y, x] = int(total * size * size / (height * width) + Fraction(1, 2))  # halves up
    return result


def test_a_smaller_pixel_is_the_mean_of_the_area_that_it_covers():
    images = split(2, channels=3, size=12).images
    for size in (12, 8, 6, 5, 1):
        shrunk = area_averaged(images, size)
        assert (shrunk.dtype, tuple(shrunk.shape)) == (torch.uint8, (2, 3, size, size))
        assert shrunk.is_contiguous(memory_format=torch.channels_last)
        for at in np.ndindex(2, 3):
            assert np.array_equal(shrunk[at].numpy(), area(images[at].numpy(), size))


def test_by_hand_with_halves_up():
    image = torch.tensor([[0, 1, 10, 20], [0, 1, 30, 40]], dtype=torch.uint8).repeat_interleave(2, 0)[None, None]
    assert area_averaged(image, 2).flatten().tolist() == [1, 15, 1, 35]  # 0.5, 15, 0.5, 35
    assert torch.equal(area_averaged(image, 4), image)


class Decoded:
    """Images that are decoded when they are taken."""

    def __init__(self, whole):
        self.whole, self.labels, self.decoded = whole, whole.labels, []

    def take(self, rows):
        self.decoded += rows.tolist()
        return self.whole.take(rows)


def test_files_are_shrunk_a_chunk_at_a_time_when_they_are_taken():
    whole = split(CHUNK + 9, channels=1, size=4)
    rows = torch.arange(1, CHUNK + 9, 2)
    files = Decoded(whole)
    images = smaller(files, 2)
    assert not files.decoded and torch.equal(images.labels, whole.labels)
    decoded = images.take(rows)
    assert torch.equal(decoded.images, area_averaged(whole.images, 2)[rows])
    assert torch.equal(decoded.index, rows) and torch.equal(decoded.labels, whole.labels[rows])
    assert torch.equal(smaller(whole, 2).take(rows).images, decoded.images)


def test_statistics_are_those_of_the_images():
    whole = split(50, size=8)
    pixels = whole.images.numpy().astype(np.float64) / 255
    mean, std = statistics(whole)
    assert np.allclose(mean, pixels.mean((0, 2, 3)), atol=5e-5)
    assert np.allclose(std, pixels.std((0, 2, 3)), atol=5e-5)
    many = Decoded(split(SAMPLE * 2, channels=1, size=2))
    statistics(smaller(many, 1))
    assert many.decoded == list(range(0, SAMPLE * 2, 2))
