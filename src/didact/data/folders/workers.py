"""Images decoded by several processes, this one among them. Each writes the pixels of its share
where all find them.

Another process is a fresh Python that is given its share as JSON. So it works wherever the caller
runs: in a script without a main guard, in a notebook, or in a worker that may have no children of
:mod:`multiprocessing`. An image is decoded on its own, so the number of processes changes no pixel.
It ends when the one that asked it is gone, whatever ended that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from didact.data.contract import DataError, NoRoomError
from didact.data.folders.decode import UnreadableError, decoded, read_through
from didact.data.folders.pixels import Pixels
from didact.machine import processors
from didact.spec import clean

SHARE = 4_000
"""A process has at least so many images: to start one takes as long as to decode some thousand
small ones.
"""

NO_ROOM = 74
"""The exit code of a process to which the disk refused what it decoded."""

Job = tuple[int, str]
"""The row of an image, and its path."""


def decode(jobs: Sequence[Job], pixels: Pixels, *, crop: bool, processes: int | None = None) -> dict[int, str]:
    """Decode images into ``pixels``. Returns, by row, why images could not be decoded.

    Args:
        jobs: the images.
        crop: as of :func:`didact.data.folders.decode.decoded`.
        processes: how many there are; by default as many as there are processors, each with
            :data:`SHARE` images at least.

    Raises:
        NoRoomError: the disk is full or not writable.
        DataError: a process ended before its share was done.
    """
    pixels.prepare(len(jobs))
    return _shared_out(jobs, pixels, crop, processes)


def unreadable(jobs: Sequence[Job], *, processes: int | None = None) -> dict[int, str]:
    """By row, why images cannot be decoded; nothing is kept of the others.

    Raises:
        DataError: a process ended before its share was done.
    """
    return _shared_out(jobs, None, False, processes)


def _shared_out(jobs: Sequence[Job], pixels: Pixels | None, crop: bool, processes: int | None) -> dict[int, str]:
    number = min(processors(), len(jobs) // SHARE) if processes is None else processes
    if number < 2:
        return _share(jobs, pixels, crop)
    running: list[subprocess.Popen[str]] = []
    try:
        for at in range(1, number):
            running.append(_started())
            _ask(running[-1], jobs[at::number], pixels, crop)
        faults = _share(jobs[::number], pixels, crop)
        for process in running:
            faults |= _answer(process)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return faults


def _started() -> subprocess.Popen[str]:
    """A process that waits for its share."""
    package = str(Path(__file__).parents[3])
    above = os.environ.get("PYTHONPATH")
    return subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([package, *([above] if above else [])])},
    )


def _ask(process: subprocess.Popen[str], jobs: Sequence[Job], pixels: Pixels | None, crop: bool) -> None:
    """Give it its share at once; it begins when it has read all of it. If it is dead, :func:`_answer` says so."""
    into = pixels and [os.fspath(pixels.path), os.fspath(pixels.sums), pixels.count, pixels.image]
    about = {"into": into, "crop": crop, "jobs": jobs, "owner": os.getpid()}
    pipe, process.stdin = process.stdin, None
    assert pipe is not None
    with suppress(BrokenPipeError), pipe:
        pipe.write(json.dumps(about))


def _answer(process: subprocess.Popen[str]) -> dict[int, str]:
    """Wait for its end. What it could not decode.

    Raises:
        NoRoomError: the disk refused what it decoded.
        DataError: it ended early.
    """
    text, told = process.communicate()
    last = clean(told.strip().rpartition("\n")[2])
    if process.returncode == NO_ROOM:
        raise NoRoomError(last)
    if process.returncode:
        raise DataError(f"a process that decodes images ended with {process.returncode}: {last or 'it was killed'}")
    return {int(row): reason for row, reason in json.loads(text).items()}


def main() -> None:
    """What such a process does."""
    about: dict[str, Any] = json.load(sys.stdin)
    pixels = None
    if about["into"]:
        path, sums, count, image = about["into"]
        pixels = Pixels(Path(path), Path(sums), count, (image[0], image[1]))
    try:
        faults = _share(_wanted(about["jobs"], about["owner"]), pixels, about["crop"])
    except NoRoomError as error:
        print(error, file=sys.stderr)
        sys.exit(NO_ROOM)
    except DataError as error:
        sys.exit(str(error))
    json.dump(faults, sys.stdout)


def _wanted(jobs: Iterable[Job], owner: int) -> Iterator[Job]:
    """The jobs, for as long as the process runs that wants them done."""
    for row, path in jobs:
        if os.getppid() != owner:
            sys.exit("the process that asked is gone")
        yield row, path


def _share(jobs: Iterable[Job], pixels: Pixels | None, crop: bool) -> dict[int, str]:
    if pixels is None:
        return _each(jobs, lambda row, path: read_through(path))
    try:
        with pixels.writing() as write:
            return _each(jobs, lambda row, path: write(row, decoded(path, pixels.image, crop=crop)))
    except OSError as error:
        raise pixels.unwritable(error) from error


def _each(jobs: Iterable[Job], do: Callable[[int, Path], None]) -> dict[int, str]:
    """``do`` for every image. Returns, by row, why images could not be decoded."""
    faults: dict[int, str] = {}
    for row, path in jobs:
        try:
            do(row, Path(path))
        except UnreadableError as error:
            faults[row] = clean(error)
    return faults
