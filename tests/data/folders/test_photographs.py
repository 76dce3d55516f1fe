"""Crops of single image files, and the heads of JPEGs: the same pixels whichever decoder there is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from didact.data.folders import crops, jpeg
from didact.data.folders.crops import Photograph, cropped
from didact.data.folders.decode import UnreadableError
from support.pictures import photograph, picture


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("turn", [1, 6])
def test_crops_of_a_photograph(tmp_path: Path, mode: str, turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG that is decoded at a part of its size looks like one that was shrunk, whichever decoder there is."""
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[0x0112] = turn
    photograph(path, 240, 320, mode=mode, exif=exif)
    image = Image.open(path)
    upright = (image.transpose(Image.Transpose.ROTATE_270) if turn == 6 else image).convert("RGB")
    places = [[0, 0, upright.height, upright.width], [10, 20, 60, 60], [30, 40, 70, 90]]
    for chosen in (places, places[1:], places[:1]):
        found = cropped(Photograph(path), chosen, [False, True, False][: len(chosen)], 24)
        for one, (top, left, height, width), flip in zip(found, chosen, (False, True, False), strict=False):
            part = upright.crop((left, top, left + width, top + height)).resize((24, 24), Image.Resampling.BILINEAR)
            expected = np.asarray(part).astype(int)[:, ::-1] if flip else np.asarray(part).astype(int)
            assert np.abs(one - expected).mean() < 2
        monkeypatch.setattr(crops, "_simplejpeg", lambda *_: None)
        assert np.array_equal(found, cropped(Photograph(path), chosen, [False, True, False][: len(chosen)], 24))
        monkeypatch.undo()


def test_crops_of_what_is_no_jpeg(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 12, 9)
    expected = np.asarray(Image.open(tmp_path / "a.png").crop((1, 2, 8, 9)).resize((5, 5), Image.Resampling.BILINEAR))
    found = cropped(Photograph(tmp_path / "a.png"), [[2, 1, 7, 7]], [False], 5)[0]
    assert np.abs(found.astype(int) - expected).max() <= 1
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(UnreadableError):
        cropped(Photograph(tmp_path / "b.jpg"), [[0, 0, 1, 1]], [False], 5)


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("size", [16, 4])
@pytest.mark.parametrize("simplejpeg", [True, False])
def test_rows_below_the_crops_change_nothing(
    tmp_path: Path, sampling: int, size: int, simplejpeg: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JPEG is decoded down to its crops. The same pixels come from one that is not stored row by row."""
    if not simplejpeg:
        monkeypatch.setattr(crops, "_simplejpeg", lambda *_: None)
    photograph(tmp_path / "a.jpg", 150, 130, subsampling=sampling)
    places = [[top, 5, height, 100] for top in (0, 7, 33) for height in (32, 41, 64, 90)]
    cut, whole = Photograph(tmp_path / "a.jpg"), Photograph(tmp_path / "a.jpg")
    whole.__dict__["head"] = None
    assert cut.head is not None
    for place in places:
        assert np.array_equal(cropped(cut, [place], [False], size), cropped(whole, [place], [False], size))


def test_heads_of_jpeg_files(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    for turn, upright in ((1, True), (6, False)):
        exif[0x0112] = turn
        photograph(path, 40, 56, exif=exif)
        found = Photograph(path)
        assert (found.head is not None, found.size) == (upright, [40, 56] if upright else [56, 40])
    photograph(path, 40, 56, mode="L")
    assert Photograph(path).head == jpeg.Head(40, 56, 1, 8, jpeg.head(path.read_bytes()).at, tagged=False)  # type: ignore
    data = path.read_bytes()
    for broken in (data[:-2], data[:30], data[:2], b"", b"\x89PNG", data[:4] + b"\0\0" + data[6:]):
        assert jpeg.head(broken) is None
    for settings in ({"mode": "CMYK"}, {"progressive": True}):
        photograph(path, 40, 56, **settings)
        assert Photograph(path).head is None
        assert Photograph(path).size == [40, 56]
    gone = Photograph(tmp_path / "gone.jpg")
    assert (gone.head, gone.size) == (None, None)
    with pytest.raises(UnreadableError, match="no such file"):
        cropped(gone, [[0, 0, 1, 1]], [False], 5)


def test_a_jpeg_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    photograph(tmp_path / "a.jpg", 240, 320)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(UnreadableError, match="truncated"):
        cropped(Photograph(tmp_path / "a.jpg"), [[0, 0, 8, 8]], [False], 5)
