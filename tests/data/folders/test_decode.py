"""Every kind of image becomes red, green and blue; what is none says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from didact.data.folders.decode import UnreadableError, decoded, image_size
from didact.data.resize import area_averaged

RANDOM = np.random.default_rng(3)
COLOUR = RANDOM.integers(0, 256, (4, 4, 3), dtype=np.uint8)


def kept(path: Path, image: Any, **settings: Any) -> np.ndarray:
    """The pixels of an image that was saved at ``path``."""
    image.save(path, **settings)
    return decoded(path, (image.height, image.width), crop=False)


def test_colour_and_grey(tmp_path: Path) -> None:
    assert np.array_equal(kept(tmp_path / "a.png", Image.fromarray(COLOUR)), COLOUR)
    assert np.array_equal(kept(tmp_path / "a.bmp", Image.fromarray(COLOUR[..., 0])), COLOUR[..., :1].repeat(3, 2))


def test_palettes_and_transparency_show_white(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOUR).quantize(16)
    assert np.array_equal(kept(tmp_path / "p.png", palette), np.asarray(palette.convert("RGB")))
    layers = np.concatenate([COLOUR, np.full((4, 4, 1), 255, np.uint8)], 2)
    layers[0, 0, 3] = 0
    pixels = kept(tmp_path / "rgba.png", Image.fromarray(layers))
    assert pixels[0, 0].tolist() == [255] * 3
    assert np.array_equal(pixels[1:], COLOUR[1:])
    clear = Image.fromarray(np.eye(4, dtype=np.uint8) * 200)
    assert kept(tmp_path / "key.png", clear, transparency=200)[1, 1].tolist() == [255] * 3


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    values = np.array([[0, 257, 65535], [128, 129, 32896]], np.uint16)
    for name in ("16.png", "16.tif"):
        assert kept(tmp_path / name, Image.fromarray(values))[..., 0].tolist() == [[0, 1, 255], [0, 1, 128]]
    with pytest.raises(UnreadableError, match="holds floats"):
        kept(tmp_path / "f.tif", Image.fromarray(values.astype(np.float32)))
    with pytest.raises(UnreadableError, match="has values from 0 to 100000, more than 16 bits"):
        kept(tmp_path / "i.tif", Image.fromarray(np.array([[0, 100_000]], np.int32)))


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    red, green, blue = kept(tmp_path / "c.jpg", image)[0, 0].tolist()
    assert red < 10 < 200 < min(green, blue)


def test_the_orientation_in_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown turned by a quarter, clockwise
    wide = COLOUR[:2]
    Image.fromarray(wide).save(tmp_path / "e.png", exif=exif)
    assert image_size(tmp_path / "e.png") == [4, 2]
    assert np.array_equal(decoded(tmp_path / "e.png", (4, 2), crop=False), np.rot90(wide, -1))


def test_the_first_of_several_frames(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert kept(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])[0, 0].tolist() == [255, 0, 0]


def test_the_central_square_is_brought_to_the_size(tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    square = torch.from_numpy(pixels[:, 2:11].copy()).permute(2, 0, 1)[None]
    for size in (1, 3, 4, 7, 8):
        expected = area_averaged(square, size)[0].permute(1, 2, 0).numpy()
        assert np.array_equal(decoded(tmp_path / "a.png", (size, size), crop=True), expected)
    assert np.array_equal(decoded(tmp_path / "a.png", (9, 9), crop=True), pixels[:, 2:11])
    assert decoded(tmp_path / "a.png", (20, 20), crop=True).shape == (20, 20, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"not an image", "is no image"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is no image")],
)
def test_files_that_are_no_images(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableError, match=reason):
        decoded(tmp_path / "a.png", (4, 4), crop=True)
    assert image_size(tmp_path / "a.png") is None


def test_files_that_are_cut_short_missing_or_of_another_size(tmp_path: Path) -> None:
    Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UnreadableError, match="is 64x64, the others are 4x4"):
        decoded(tmp_path / "a.png", (4, 4), crop=False)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableError, match=r"^does not decode: .*truncated"):
        decoded(tmp_path / "a.png", (4, 4), crop=True)
    with pytest.raises(UnreadableError, match=r"^cannot be read: no such file"):
        decoded(tmp_path / "b.png", (4, 4), crop=True)
