"""RandAugment: each operation against Pillow or by hand, drawn for each image alone, and what is refused."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from didact.data import Data, Loader, load
from didact.data import rand_augment as ra
from didact.data.rand_augment import GEOMETRIC, OPERATIONS, Changes, changed, check_changes, draw_changes
from didact.data.split import Split
from didact.runs.dry_run import check
from didact.spec import SpecError, canonical, from_json
from support.tiny import make

needs_kornia = pytest.mark.skipif(importlib.util.find_spec("kornia") is None, reason="kornia is not installed")

PIXELS = torch.randint(256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SMOOTH = (PIXELS.float().unfold(2, 5, 1).mean(-1).unfold(3, 5, 1).mean(-1)).to(torch.uint8)


def all_by(name: str, count: int, sign: float = 1.0) -> Changes:
    return Changes(torch.full((count, 1), OPERATIONS.index(name)), torch.full((count, 1), sign))


def by(name: str, pixels: Tensor, magnitude: int, sign: float = 1.0) -> Tensor:
    return changed(pixels, all_by(name, len(pixels), sign), magnitude)


def pillow(pixels: Tensor, change: object) -> Tensor:
    shown = [Image.fromarray(one.permute(1, 2, 0).numpy()) for one in pixels]
    return torch.stack([torch.from_numpy(np.array(change(one))).permute(2, 0, 1) for one in shown])  # type: ignore[operator]


@needs_kornia
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("name", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("colour", ImageEnhance.Color),
        ("contrast", ImageEnhance.Contrast),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
def test_enhancements_are_pillows(name: str, enhance: type, sign: float) -> None:
    """Up to rounding: Pillow rounds its grey image, and a contrast's mean, to whole numbers."""
    found = by(name, SMOOTH, 10, sign)
    expected = pillow(SMOOTH, lambda image: enhance(image).enhance(1 + sign * 0.3))
    assert (found.int() - expected.int()).abs().max() <= 2
    assert not torch.equal(found, SMOOTH)


@needs_kornia
def test_the_others_are_pillows() -> None:
    assert torch.equal(by("posterize", PIXELS, 15), pillow(PIXELS, lambda image: ImageOps.posterize(image, 6)))
    assert (by("solarize", PIXELS, 15).int() - pillow(PIXELS, lambda im: ImageOps.solarize(im, 128)).int()).abs().max() <= 1
    assert (by("auto_contrast", SMOOTH, 9).int() - pillow(SMOOTH, ImageOps.autocontrast).int()).abs().max() <= 1
    assert (by("equalize", SMOOTH, 9).int() - pillow(SMOOTH, ImageOps.equalize).int()).abs().max() <= 1
    assert torch.equal(by("identity", PIXELS, 30), PIXELS)
    even = torch.full((2, 3, 4, 4), 77, dtype=torch.uint8)
    assert torch.equal(by("auto_contrast", even, 9), even)


@needs_kornia
def test_geometry_by_hand() -> None:
    point = torch.zeros(1, 1, 17, 17, dtype=torch.uint8)
    point[0, 0, 8, 12] = 255
    shift = 150 / 331 * 17 * 10 / 30
    near = by("translate_x", point, 10, -1.0)[0, 0].float()
    assert (near.sum(0) * torch.arange(17)).sum() / near.sum() == pytest.approx(12 - shift, abs=0.02)
    assert near.sum(1).argmax() == 8
    turned = by("rotate", point, 30)[0, 0].float()
    weights = torch.arange(17) - 8.0
    x, y = (turned.sum(0) * weights).sum() / turned.sum(), (turned.sum(1) * weights).sum() / turned.sum()
    assert torch.atan2(y, x).abs().item() == pytest.approx(np.pi / 6, abs=0.05)
    sheared = by("shear_y", point, 30)[0, 0].float()
    y = (sheared.sum(1) * weights).sum() / sheared.sum()
    assert y.abs().item() == pytest.approx(0.3 * 4, abs=0.05)
    for name in GEOMETRIC:
        assert not torch.equal(by(name, PIXELS, 20), by(name, PIXELS, 20, -1.0))
        assert by(name, torch.full_like(point, 200), 30).min() == 0  # black borders


@needs_kornia
def test_an_image_alone_is_changed_as_in_a_batch() -> None:
    changes = draw_changes(6, 3, 5, 1)
    whole = changed(PIXELS, changes, 9)
    for row in range(6):
        rows = torch.tensor([row])
        assert torch.equal(changed(PIXELS[rows], changes.of(rows), 9)[0], whole[row])
    assert whole.is_contiguous(memory_format=torch.channels_last)


def test_every_image_has_its_own_operations() -> None:
    drawn = draw_changes(2000, 2, 0, 0)
    counts = torch.bincount(drawn.which.flatten(), minlength=len(OPERATIONS))
    assert counts.min() > 0.7 * 4000 / len(OPERATIONS)
    assert abs(drawn.signs.mean()) < 0.06
    assert torch.equal(drawn.which, draw_changes(2000, 2, 0, 0).which)
    assert not torch.equal(drawn.which, draw_changes(2000, 2, 0, 1).which)


def images(data: Data, *, batch_size: int = 7, renderings: dict[str, int] | None = None) -> dict[int, Tensor]:
    """By index, what an epoch shows."""
    loader = Loader(load(data), batch_size=batch_size, data_seed=3, renderings=renderings)
    return {int(i): image for batch in loader.epoch(2) for i, image in zip(batch.index, batch.images, strict=True)}


@needs_kornia
def test_what_an_image_shows_depends_on_nothing_else() -> None:
    data = Data(per_class=2, randaugment=9)
    shown, larger = images(data), images(data, batch_size=20, renderings={"own": 5})
    assert shown.keys() == larger.keys()
    assert all(torch.equal(image, larger[i]) for i, image in shown.items())
    plain = images(Data(per_class=2))
    assert sum(torch.equal(image, plain[i]) for i, image in shown.items()) < 8


def test_a_new_setting_leaves_old_digests_alone() -> None:
    assert "randaugment" not in canonical(Data())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"randaugment": 0}, "randaugment: expected 1 or more"),
        ({"randaugment": 31}, "randaugment: expected at most 30"),
        ({"randaugment": 9, "randaugment_operations": 0}, "randaugment_operations: expected 1 or more"),
        ({"randaugment_operations": 3}, "randaugment_operations: is for data.randaugment; write a magnitude"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, int], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_json(Data, {"name": "digits", **given}, "data")
    assert words in str(caught.value)


@needs_kornia
def test_images_and_views_that_cannot_be_changed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="changes images of 1 or 3 channels, and these have 4"):
        check_changes((4, 8, 8), ())
    dataset = load(Data(per_class=2, randaugment=9))
    with pytest.raises(SpecError, match="the view 'rotations' shows images that are not changed"):
        Loader(dataset, batch_size=4, data_seed=0, views=frozenset({"rotations"}))
    run = make("sskd")
    data = replace(run.data, randaugment=9)
    assert run.teacher is not None
    with pytest.raises(SpecError, match=r"resnet8.sskd.s0: data.randaugment: the view 'rotations'"):
        check(replace(run, data=data, teacher=replace(run.teacher, data=data)))
    four = torch.zeros(4, 4, 8, 8, dtype=torch.uint8)
    with pytest.raises(SpecError, match="these have 4"):
        Loader(replace(dataset, train=Split.whole(four, torch.arange(4)), image=(4, 8, 8)), batch_size=2, data_seed=0)


def test_without_kornia_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ra.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"needs kornia, which is not installed: pip install 'didact-distill\[augment\]'"):
        check_changes((3, 8, 8), ())
