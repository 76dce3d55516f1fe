"""What stops a command from outside: signals, too little memory, the disk. What is said, and what is kept."""

from __future__ import annotations

import contextlib
import json
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from didact import streams
from didact.cli import failures, methods
from didact.cli.main import main
from didact.execution.progress import EpochBegins, Event
from didact.launcher import LOST
from didact.spec import RequestError
from didact.track import terminal

pytestmark = pytest.mark.usefixtures("few_digits")

TINY = ["--net", "basic-8-1x8-1x16", "--data.classes", "2", "--data.per_class", "5", "--precision", "fp32"]
CPU = "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
WINDOWS = "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."


@pytest.fixture
def heeding() -> Iterator[None]:
    """Signals heeded as by the console script, and as before afterwards. Under nohup a hangup is ignored otherwise."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGHUP)}
    failures.heed_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def train_until(error: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A training of three epochs with ``error`` (raised, or a signal) as the second begins; returns the exit code."""

    def stop(self: terminal.Lines, event: Event) -> None:
        if isinstance(event, EpochBegins) and event.epoch == 1:
            if isinstance(error, signal.Signals):
                signal.raise_signal(error)
            else:
                raise error

    with monkeypatch.context() as here:
        here.setattr(terminal.Lines, "__call__", stop)
        return main(["train", *TINY, "--epochs", "3", "--store", str(store)])


def goes_on(store: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the first epoch is there after all: asked again, only what is missing is trained."""
    (rows,) = store.glob("runs/*/metrics.jsonl")
    (first,) = map(json.loads, rows.read_text().splitlines())
    assert main(["train", *TINY, "--epochs", "3", "--store", str(store)]) == 0
    again, *rest = map(json.loads, rows.read_text().splitlines())
    return again == first and len(rest) == 2 and "going on with" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_training_as_ctrl_c_does(
    number: signal.Signals,
    code: int,
    heeding: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train_until(number, tmp_path, monkeypatch) == code
    assert "didact: interrupted; finished epochs are saved" in capsys.readouterr().err
    assert goes_on(tmp_path, capsys)


@pytest.mark.parametrize("error", [RequestError("cannot be exported"), AttributeError("no attribute 'exc'")])
def test_a_signal_that_a_library_catches_is_what_is_said(
    error: Exception, heeding: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library's next step then fails."""

    def table(name: str) -> NoReturn:
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        raise error

    with monkeypatch.context() as here:
        here.setattr(methods, "explained_recipe", table)
        assert main(["explain", "paper"]) == 143
    shown = capsys.readouterr()
    assert shown.err == "didact: interrupted\n" and not shown.out
    assert main(["explain", "paper"]) == 0, "the next command has its own end"
    monkeypatch.setattr(methods, "explained_recipe", lambda name: name.exc)
    with pytest.raises(AttributeError):
        main(["explain", "paper"])


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        failures.heed_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), "not enough memory;"),
        (RuntimeError(CPU), f"not enough memory ({CPU});"),
        (RuntimeError(WINDOWS), f"not enough memory ({WINDOWS});"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"), "not enough GPU memory (CUDA out of"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "not enough GPU memory (CUDA error"),
    ],
)
def test_too_little_memory_in_a_step(
    error: Exception, memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_until(error, tmp_path, monkeypatch) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("didact: ")]
    assert memory in line
    assert "finished epochs are saved" in line
    assert "--recipe.batch_size" in line
    assert goes_on(tmp_path, capsys)


def test_a_command_that_trains_nothing_is_not_told_of_batches() -> None:
    told = failures.short_of_memory(MemoryError(), trains=False)
    assert told == "not enough memory"
    assert failures.short_of_memory(ImportError("scipy.so: failed to map segment from shared object"), trains=False)
    assert failures.short_of_memory(RuntimeError("shapes do not fit"), trains=True) is None


@pytest.mark.parametrize(
    ("arguments", "saved"),
    [
        (["train"], True),
        (["study", "sftn-4"], True),
        (["quickstart"], True),
        (["advise", "--pilot", "0.5"], True),
        (["advise", "--pilot=0.5"], True),
        (["advise", "--net", "resnet8"], False),
        (["export", "1f0c"], False),
        ([], False),
    ],
)
def test_only_commands_that_train_speak_of_finished_epochs(arguments: list[str], saved: bool) -> None:
    assert failures.trains(arguments) == saved
    message, code = failures.interrupted(KeyboardInterrupt(), saved)
    assert (message, code) == (f"interrupted; {failures.KEPT}" if saved else "interrupted", 130)


def test_what_filled_the_memory_is_let_go_before_a_word_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    alive: list[weakref.ref[torch.Tensor]] = []

    def fill(self: terminal.Lines, event: Event) -> None:
        large = torch.empty(8)
        alive.append(weakref.ref(large))
        raise MemoryError

    said = streams.say

    def say(text: str = "", *, to_stderr: bool = False) -> None:
        assert [one() for one in alive] == [None]
        said(text, to_stderr=to_stderr)

    monkeypatch.setattr(terminal.Lines, "__call__", fill)
    monkeypatch.setattr(streams, "say", say)
    assert main(["train", *TINY, "--epochs", "1", "--store", str(tmp_path)]) == 1
    assert "didact: not enough memory" in capsys.readouterr().err


def test_any_other_error_is_a_fault_of_didact_and_shows_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        train_until(RuntimeError("shapes do not fit"), tmp_path, monkeypatch)


def test_a_long_word_of_a_message_is_cut() -> None:
    message = failures.shortened("no such word: " + "a" * 3000)
    assert message.startswith("no such word: aaa") and message.endswith("(3,000 characters)") and len(message) < 150
    assert failures.shortened("a short message") == "a short message"


def test_a_word_that_a_command_does_not_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "nothere"]) == 2
    assert "compare: takes no 'nothere'; didact compare --help says what it takes" in capsys.readouterr().err


def test_torchrun_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its report repeats the file's message, and takes the earliest for the cause: an end that another has caused is
    dated later.
    """
    path = tmp_path / "error.json"
    failures.leave_for_torchrun("nothing is written without torchrun")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(path))
    monkeypatch.setattr(failures.time, "time", lambda: 100.7)
    assert main(["train", "--net", "resnet9", "--store", str(tmp_path / "store")]) == 2
    told = json.loads(path.read_text())
    assert told["message"].startswith("didact: net: unknown network 'resnet9'") and told["timestamp"] == 100
    failures.leave_for_torchrun(f"{LOST} (Connection reset by peer)")
    assert json.loads(path.read_text())["timestamp"] > 100
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "nowhere" / "error.json"))
    failures.leave_for_torchrun("what cannot be written is left out")
