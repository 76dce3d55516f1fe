"""Resizing: against weights by hand, and against Pillow."""

import numpy as np
import torch
from PIL import Image

from didact.data.resize import CHUNK, resized
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
    smaller = resized(whole, 2)
    assert torch.equal(smaller.labels, whole.labels)
    assert torch.equal(smaller.index, whole.index)
    last = resized(whole.take(torch.tensor([CHUNK + 2])), 2)
    assert torch.equal(smaller.images[CHUNK + 2 :], last.images)
    assert resized(whole, 4) is whole
