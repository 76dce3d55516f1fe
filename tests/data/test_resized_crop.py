"""Random resized crops: places drawn as the papers say, pixels as Pillow has them, exactly the same in any batch."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from didact.data.renderings import Resized, Shifted, rotations
from didact.data.resized_crop import (
    AREA,
    ASPECT,
    NUMBERS,
    TRIES,
    Crops,
    boxes,
    draw_crop_rotations,
    draw_crops,
    on_device,
    resized_crops,
)


def images(count, height, width):
    """Smooth pictures."""
    random = torch.Generator().manual_seed(1)
    small = torch.randint(256, (count, 3, height // 4, width // 4), generator=random).float()
    pixels = torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 255).to(torch.uint8)
    return pixels.contiguous(memory_format=torch.channels_last)


def test_a_box_by_hand():
    numbers = torch.zeros(1, NUMBERS)
    numbers[0, 0] = (0.5 - AREA[0]) / (AREA[1] - AREA[0])  # half of the area
    numbers[0, TRIES] = 0.5  # a square
    numbers[0, 2 * TRIES :] = torch.tensor([0.999, 0.0])
    assert boxes(numbers, 100, 200).tolist() == [[0, 0, 100, 100]]
    assert boxes(numbers, 200, 200).tolist() == [[200 - 141, 0, 141, 141]]


def test_boxes_lie_in_the_image_and_areas_are_even():
    numbers = draw_crops(20_000, 0, 0).numbers
    top, left, height, width = boxes(numbers, 400, 400).double().unbind(1)
    assert float(torch.stack([top, left, 400 - top - height, 400 - left - width]).min()) == 0
    ratio = width / height
    assert (float(ratio.min()), float(ratio.max())) == pytest.approx(ASPECT, abs=0.02)
    share = (height * width / 400**2).sort().values
    assert float(share[0]) == pytest.approx(AREA[0], abs=0.005)
    small = share[share < 0.7]  # larger ones are drawn again where they do not fit
    expected = torch.linspace(float(small[0]), float(small[-1]), len(small))
    assert float((small - expected).abs().max()) < 0.02
    assert float((top[height < 200] / (400 - height[height < 200])).mean()) == pytest.approx(0.5, abs=0.02)


def test_a_shape_that_never_fits_gives_the_largest_central_one():
    numbers = draw_crops(50, 0, 0).numbers
    assert boxes(numbers, 100, 2000).unique(dim=0).tolist() == [[0, (2000 - 133) // 2, 100, 133]]
    assert boxes(numbers, 2000, 3).unique(dim=0).tolist() == [[998, 0, 4, 3]]
    assert boxes(numbers, 1, 1).unique(dim=0).tolist() == [[0, 0, 1, 1]]


def test_sizes_may_differ_by_image():
    numbers = draw_crops(3, 0, 0).numbers
    heights, widths = torch.tensor([10, 30, 70]), torch.tensor([20, 25, 64])
    together = boxes(numbers, heights, widths)
    alone = [boxes(numbers[at : at + 1], int(heights[at]), int(widths[at]))[0] for at in range(3)]
    assert torch.equal(together, torch.stack(alone))


@pytest.mark.parametrize("make", [resized_crops, on_device])
@pytest.mark.parametrize("size", [7, 16, 32, 48])
def test_pixels_are_pillows_within_a_level(size, make):
    stored, crops = images(40, 32, 32), draw_crops(40, 3, 1)
    found = make(stored, torch.arange(40), crops, size)
    for at, (top, left, height, width) in enumerate(boxes(crops.numbers, 32, 32).tolist()):
        picture = Image.fromarray(stored[at].permute(1, 2, 0).numpy()).crop((left, top, left + width, top + height))
        expected = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)).astype(int)
        expected = expected[:, ::-1] if crops.flip[at] else expected
        assert np.abs(found[at].permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1


@pytest.mark.parametrize("make", [resized_crops, on_device])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_an_image_has_the_same_pixels_in_any_batch_and_layout(make, channels, monkeypatch):
    stored, crops = images(12, 24, 36)[:, :channels], draw_crops(12, 0, 0)
    rows = torch.tensor([7, 2, 2, 11])
    found = make(stored, rows, crops.of(rows), 16)
    assert found.is_contiguous(memory_format=torch.channels_last)
    one = [make(stored.contiguous(), rows[at : at + 1], crops.of(rows[at : at + 1]), 16) for at in range(4)]
    assert torch.equal(found, torch.cat(one))
    monkeypatch.setattr("didact.data.resized_crop.AT_ONCE", {"cpu": 1})
    assert torch.equal(found, make(stored, rows, crops.of(rows), 16))


def test_a_plain_picture_stays_as_it_is():
    level = torch.full((2, 3, 20, 20), 255, dtype=torch.uint8)
    assert int(resized_crops(level, torch.arange(2), draw_crops(2, 0, 0), 13).min()) == 255


def test_rotations_have_crops_of_their_own():
    main = draw_crops(5, 0, 0)
    drawn, stored, rows = draw_crop_rotations(main, 0, 0), images(5, 16, 16), torch.tensor([3, 1])
    assert torch.equal(drawn.numbers[:, 0], main.numbers)
    shown = Resized(8)
    found = rotations(shown, stored, rows, drawn.of(rows))
    assert torch.equal(found[::4], shown.make(stored, rows, main.of(rows)))
    now = drawn.of(rows)
    second = shown.make(stored, rows, Crops(now.numbers[:, 1], now.flip))
    assert torch.equal(found[1::4], torch.rot90(second, 1, (2, 3)))


def test_a_shift_within_a_larger_image():
    stored, rows = images(6, 12, 12), torch.arange(6)
    shown = Shifted("crop-flip", 0, 4, 8)
    drawn = shown.draw(600, 0, 0)
    assert (int(drawn.dy.min()), int(drawn.dy.max()), int(drawn.dx.max())) == (0, 4, 4)
    now = drawn.of(rows)
    found = shown.make(stored, rows, now)
    for at in range(6):
        top, left = int(now.dy[at]), int(now.dx[at])
        expected = stored[at, :, top : top + 8, left : left + 8]
        assert torch.equal(found[at], expected.flip(2) if now.flip[at] else expected)
    still = Shifted("none", 0, 4, 8)
    centre = still.draw(6, 0, 0)
    assert torch.equal(still.make(stored, rows, centre), stored[:, :, 2:10, 2:10])
    turned = rotations(still, stored, rows, still.turns(centre, 0, 0))
    assert torch.equal(turned[::4], stored[:, :, 2:10, 2:10])


def test_numbers_cover_the_logarithm_evenly():
    numbers = torch.rand(4000, NUMBERS, generator=torch.Generator().manual_seed(0))
    numbers[:, 0] = 0.2
    _, _, height, width = boxes(numbers, 1000, 1000).double().unbind(1)
    logs = (width / height).log()
    assert float(logs.mean()) == pytest.approx(0, abs=0.01)
    assert float(logs.std()) == pytest.approx((math.log(ASPECT[1]) - math.log(ASPECT[0])) / 12**0.5, rel=0.03)
