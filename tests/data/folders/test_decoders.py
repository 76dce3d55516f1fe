"""Processes that decode stay from epoch to epoch, and end whatever ends the process that asks them."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from didact.data import Data, DataError, Loader, available, load
from didact.data.folders.decoder import shares_memory
from didact.spec import from_json
from support.pictures import classes
from support.processes import children, ended

pytestmark = pytest.mark.skipif(not shares_memory(), reason="looks for forked processes")


@pytest.fixture
def flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    return classes(tmp_path / "flowers", {"daisy": 12, "rose": 13}, height=20, width=24)


def named(folder: Path) -> Data:
    given = {"name": f"folder:{folder}", "size": 20, "crop": 16, "augment": "resized-crop-flip", "decode": "always"}
    return from_json(Data, given)


def loader(folder: Path, decoders: int = 2, batch_size: int = 4) -> Loader:
    return Loader(load(named(folder)), batch_size=batch_size, data_seed=0, decoders=decoders)


@pytest.fixture
def started() -> Iterator[Callable[[], set[int]]]:
    """The processes that were started since."""
    before = children()
    yield lambda: children() - before
    gc.collect()
    assert not children() - before


def test_they_stay_from_epoch_to_epoch(flowers: Path, started: Callable[[], set[int]]) -> None:
    several = loader(flowers)
    assert not started()
    first = [batch.images for batch in several.epoch(0)]
    processes = started()
    assert len(processes) == 2
    alone = loader(flowers, 0)
    for number in (1, 0):
        for made, expected in zip(several.epoch(number), alone.epoch(number), strict=True):
            assert torch.equal(made.images, expected.images)
        assert started() == processes
    assert all(torch.equal(one, batch.images) for one, batch in zip(first, alone.epoch(0), strict=True))
    several.close()
    assert not started()
    assert len(list(several.epoch(0))) == len(first)
    assert len(started() - processes) == 2
    del several
    gc.collect()
    assert not started()


def test_epochs_that_are_left_early_and_two_at_once(flowers: Path, started: Callable[[], set[int]]) -> None:
    several, alone = loader(flowers), loader(flowers, 0)
    next(several.epoch(5))
    processes = started()
    one, two = several.epoch(0), several.epoch(1)
    for made, expected in zip(zip(one, two, strict=True), zip(alone.epoch(0), alone.epoch(1), strict=True), strict=True):
        assert all(torch.equal(ours.images, theirs.images) for ours, theirs in zip(made, expected, strict=True))
    assert started() >= processes
    running = several.epoch(2)
    next(running)
    several.close()
    assert not started()
    with pytest.raises(DataError):
        list(running)


def test_an_error_ends_them(flowers: Path, started: Callable[[], set[int]]) -> None:
    several = loader(flowers, batch_size=2)  # more batches than are asked for at first: it may have made all of those
    next(running := several.epoch(0))
    os.kill(min(started()), signal.SIGKILL)
    with pytest.raises(DataError, match="a process that decodes images ended early, with -9"):
        list(running)
    assert not started()
    assert len(list(several.epoch(0))) == len(several)
    several.close()


def test_other_errors_keep_their_kind(flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr("didact.data.folders.jobs.cropped", full)
    with pytest.raises(MemoryError, match="no more") as error:
        list(loader(flowers).epoch(0))
    assert "in full" in error.value.__notes__[0]


ASKS = """
import os, signal, sys
from didact.data import Data, Loader, load
from didact.spec import from_json

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets commands in the background ignore it
data = {"name": sys.argv[1], "size": 20, "crop": 16, "augment": "resized-crop-flip", "decode": "always"}
several = [Loader(load(from_json(Data, data)), batch_size=4, data_seed=0, decoders=2) for _ in range(2)]
running = [one.epoch(0) for one in several]
for one in running:
    next(one)
print("ready", flush=True)
how = sys.argv[2]
if how == "error":
    raise RuntimeError
if how == "wait":
    signal.pause()
"""


@pytest.mark.parametrize("how", ["end", "error", "SIGKILL", "SIGTERM", "SIGINT"])
def test_they_end_with_the_process_that_asks(flowers: Path, how: str) -> None:
    available([named(flowers)])
    words = [sys.executable, "-c", ASKS, f"folder:{flowers}", "wait" if how.startswith("SIG") else how]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        processes = children(process.pid) if how.startswith("SIG") else set()
        if how.startswith("SIG"):
            assert len(processes) == 4
            process.send_signal(getattr(signal, how))
        try:
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
    assert said.count("Traceback") == (how in ("error", "SIGINT")), said
    assert ended(processes)


def shown(folder: str, answers: multiprocessing.SimpleQueue) -> None:  # type: ignore[type-arg]
    answers.put([batch.images.sum().item() for batch in loader(Path(folder)).epoch(0)])


def test_they_work_in_processes_that_end_with_others(flowers: Path) -> None:
    """As those of several jobs at once are."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=shown, args=(str(flowers), answers), daemon=True)
    process.start()
    expected = [batch.images.sum().item() for batch in loader(flowers, 0).epoch(0)]
    assert answers.get() == expected
    process.join()
    assert process.exitcode == 0


def test_a_copy_of_the_process_ends_none(flowers: Path, started: Callable[[], set[int]]) -> None:
    several = loader(flowers)
    next(running := several.epoch(0))
    processes = started()
    if not (copy := os.fork()):
        try:
            several.close()
        finally:
            os._exit(0)
    assert os.waitpid(copy, 0)[1] == 0
    assert started() == processes
    assert len(list(running)) == len(several) - 1
    several.close()


SIGNALLED = """
import os, signal, sys
from didact.data.folders.decoder import Decoder
from didact.data.folders.jobs import Job, Room

signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: (print("in", os.getpid(), flush=True), sys.exit(1)))
fork = os.fork


def forked():
    process = fork()
    process or os.kill(os.getpid(), getattr(signal, sys.argv[1]))  # the copy receives it in its first moment
    return process


os.fork = forked
decoder = Decoder(None, [])
try:
    for number in (7, 8):
        decoder.ask(Job(number, (), None), Room({}, 1, 0))
        print(decoder.answer()[0])
        os.kill(decoder._process._pid, getattr(signal, sys.argv[1]))
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("signal", "said"),
    [("SIGHUP", "7\n8"), ("SIGINT", "7\n8"), ("SIGTERM", "a process that decodes images ended early, with -15")],
)
def test_signals_that_they_heed(signal: str, said: str) -> None:
    """None is handled as by the process that asks, of which they are copies; what nohup ignores they ignore."""
    words = [sys.executable, "-c", SIGNALLED, signal]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=True)
    assert (done.stdout, done.stderr) == (f"{said}\n", "")


IMPORTS = """
import sys, threading, time
from didact.data.folders.decoder import Decoder
from didact.data.folders.jobs import Job, Room

begun = threading.Event()


class Slow:
    def find_spec(name, *_):
        if name == "PIL.Image":
            begun.set()
            time.sleep(1)


sys.meta_path.insert(0, Slow)
threading.Thread(target=lambda: __import__("PIL.Image")).start()
begun.wait()
decoder = Decoder(None, [])
decoder.ask(Job(7, (sys.argv[1],), None), Room({"": 1}, 4, 1))
print(decoder.answer()[0])
"""


def test_what_a_thread_imports_meanwhile_keeps_none_waiting(flowers: Path) -> None:
    """A copy of the process has no such thread, which would never end its import there."""
    words = [sys.executable, "-c", IMPORTS, str(flowers / "rose" / "000.png")]
    assert subprocess.run(words, capture_output=True, text=True, timeout=240, check=True).stdout == "7\n"
