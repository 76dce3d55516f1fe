"""Decoded images in files: shared, checked, and the same for any number of processes."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from didact.data import DataError
from didact.data.contract import NoRoomError
from didact.data.folders.pixels import Pixels
from didact.data.folders.workers import decode
from support.pictures import picture
from support.processes import children, ended


def files(folder: Path, count: int) -> Pixels:
    return Pixels(folder / "a.pixels", folder / "a.sums", count, (4, 4))


def test_any_number_of_processes_decodes_the_same_pixels(tmp_path: Path) -> None:
    paths = [tmp_path / f"{at}.png" for at in range(5)]
    for at, path in enumerate(paths):
        picture(path, 5 + at, 7, shade=at)
    paths[3].write_bytes(b"")
    jobs = [(row, str(path)) for row, path in enumerate(paths)]
    alone, shared = files(tmp_path / "1", 5), files(tmp_path / "2", 5)
    assert decode(jobs, alone, crop=True, processes=1) == decode(jobs, shared, crop=True, processes=2) == {3: "is empty"}
    assert np.array_equal(alone.read(np.arange(5)), shared.read(np.arange(5)))
    assert alone.missing(range(5)) == shared.missing(range(5)) == [3]


def test_a_disk_that_fills_up_in_another_process(tmp_path: Path) -> None:
    """It is told as one that fills up in this process: a disk refuses, and no image is wrong."""
    resource = pytest.importorskip("resource", reason="files of a process have no largest size")
    picture(tmp_path / "a.png")
    pixels = files(tmp_path, 6)
    pixels.prepare(6)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * pixels.each, before[1]))
    try:
        with pytest.raises(NoRoomError, match=r"^decoded images cannot be written to .*: File too large; make room, or set"):
            decode([(row, str(tmp_path / "a.png")) for row in (0, 5)], pixels, crop=True, processes=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_process_that_cannot_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is gone before it was given its share, which is more than a pipe holds."""
    picture(tmp_path / "a.png")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(DataError, match="a process that decodes images ended with 1: it was killed"):
        decode([(0, str(tmp_path / "a.png"))] * 9000, files(tmp_path, 1), crop=True, processes=2)


ASKS = """
import sys
from didact.data.folders import workers

share = workers._share
workers._share = lambda *given: (print("asked", flush=True), share(*given))[1]
workers.unreadable([(row, sys.argv[1]) for row in range(100_000)], processes=2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes where Linux lists them")
def test_no_process_outlives_the_one_that_asked(tmp_path: Path) -> None:
    """Each has work for minutes."""
    picture(tmp_path / "a.png", 1000, 1000)
    words = [sys.executable, "-c", ASKS, str(tmp_path / "a.png")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asked\n"
        others = children(process.pid)
        process.kill()
    assert len(others) == 1 and ended(others)


def test_damaged_pixels_are_decoded_again(tmp_path: Path) -> None:
    pixels = files(tmp_path, 3)
    assert pixels.missing([0, 2]) == [0, 2]
    pixels.prepare(3)
    with pixels.writing() as write:
        for row in range(3):
            write(row, np.full((4, 4, 3), row, np.uint8))
    assert pixels.missing(range(3)) == []
    with open(pixels.path, "r+b") as file:
        file.seek(48)
        file.write(b"x")
    assert files(tmp_path, 3).missing(range(3)) == [1]
    pixels.sums.unlink()
    assert files(tmp_path, 3).missing(range(3)) == [0, 1, 2]


@pytest.mark.parametrize("writes", range(7))
def test_a_process_that_ends_between_two_writes(tmp_path: Path, writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it ends, images that were not finished are decoded by the next one, to the same pixels."""
    for at in range(3):
        picture(tmp_path / f"{at}.png", shade=at)
    jobs = [(row, str(tmp_path / f"{row}.png")) for row in range(3)]
    cut, whole = files(tmp_path / "cut", 3), files(tmp_path / "whole", 3)
    done: list[int] = []

    def put(handle: int, data: bytes, at: int) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        os.pwrite(handle, data, at)
        done.append(at)

    with monkeypatch.context() as patch:
        patch.setattr("didact.data.folders.pixels._put", put)
        with contextlib.suppress(KeyboardInterrupt):
            decode(jobs, cut, crop=True, processes=1)
    assert files(tmp_path / "cut", 3).missing(range(3)) == list(range(writes // 2, 3))
    assert decode(jobs, cut, crop=True, processes=1) == decode(jobs, whole, crop=True, processes=1) == {}
    assert files(tmp_path / "cut", 3).missing(range(3)) == []
    assert np.array_equal(cut.read(np.arange(3)), whole.read(np.arange(3)))


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = Pixels(tmp_path / "a.pixels", tmp_path / "a.sums", 10**12, (224, 224))
    with pytest.raises(
        NoRoomError, match=r"1,000,000,000,000 images of 224x224 take 150,528,000.00 GB once they are decoded"
    ):
        pixels.prepare(10**12)
    assert not pixels.path.exists()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="decoded images cannot be written to"):
        files(tmp_path / "file", 1).prepare(1)


def test_some_images_are_read_and_many_are_mapped(tmp_path: Path) -> None:
    pixels = files(tmp_path, 6)
    pixels.prepare(6)
    with pixels.writing() as write:
        for row in range(6):
            write(row, np.full((4, 4, 3), row, np.uint8))
    for rows in ([2, 3, 4], [5, 0, 3], [1], [0, 1, 2, 3, 4, 5]):
        assert pixels.read(np.array(rows))[:, 1, 2, 0].tolist() == rows
    assert isinstance(pixels.read(np.array([2, 3])), np.memmap)
