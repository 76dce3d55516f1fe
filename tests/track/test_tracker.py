"""Trackers are fed from events; none of them stops a training, whatever it does."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.execution import Execution, execute
from didact.execution.progress import Event, Show, StepEnds
from didact.runs.run import Run
from didact.spec import RequestError
from didact.store.store import Store
from didact.track import tracker
from didact.track.choice import check, trackers
from didact.track.choice import notes as told
from didact.track.tracker import Tracked, figures, settings
from support.followed import EVENTS, FIRST, GOES_ON, INTERRUPTED, Notes, followed
from support.tiny import make


def test_a_tracker_is_told_everything_in_order() -> None:
    notes = Notes()
    assert followed(notes) == []
    assert notes.lines == [
        ("begins", 0),
        ("begins", 1),
        (0, 1, {"loss": 1.0, "terms/kd": 0.25, "lr": 0.1}),
        (1, 1, {"loss": 1.0, "terms/kd": 0.25, "lr": 0.1}),
        (1, "failed", "epoch 2: NaN"),
        (0, 2, {"loss": 0.5, "terms/kd": 0.25, "lr": 0.1, "test_top1": 61.5}),
        (0, "finished", ""),
        "close",
    ]


def test_an_interrupted_run_is_stopped_and_goes_on() -> None:
    notes = Notes()
    followed(notes, (*INTERRUPTED, *GOES_ON))
    assert [line for line in notes.lines if line[0] == "begins" or "stopped" in line or "finished" in line] == [
        ("begins", 0),
        (0, "stopped", ""),
        ("begins", 0),
        (0, "finished", ""),
    ]


def test_a_job_that_begins_again_and_events_of_no_job_are_no_error() -> None:
    notes = Notes()
    assert followed(notes, (INTERRUPTED[1], INTERRUPTED[2], INTERRUPTED[0], *GOES_ON, GOES_ON[1], GOES_ON[2])) == []
    assert [line[:2] for line in notes.lines[:-1]] == [("begins", 0), (0, "stopped"), ("begins", 0), (0, 2), (0, "finished")]


def test_an_interrupt_ends_what_is_open() -> None:
    notes = Notes()

    def feed(show: Show) -> None:
        for event in EVENTS:
            show(event)

    def training(event: Event) -> None:
        if isinstance(event, StepEnds):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Tracked(training, {"it": notes}, print) as show:
        feed(show)
    assert notes.lines[-3:] == [(0, "stopped", ""), (1, "stopped", ""), "close"]


@pytest.mark.parametrize("member", ["begins", "learned", "ends"])
def test_one_that_fails_is_said_once_and_left_alone(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space\nleft \x1b[2J")

    notes, other = Notes(), Notes()
    monkeypatch.setattr(notes, member, fails)
    said: list[str] = []
    seen: list[Event] = []
    with Tracked(seen.append, {"bad": notes, "good": other}, said.append) as show:
        for event in EVENTS:
            show(event)
    assert len(said) == 1 and said[0].startswith("bad is no longer fed (OSError: [Errno 28] No space left \\x1b[2J)")
    assert seen == list(EVENTS) and len(other.lines) == 8 and notes.lines[-1] == "close"


def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker, "PATIENCE", 0.05)
    notes, go = Notes(), threading.Event()
    monkeypatch.setattr(notes, "begins", lambda run: go.wait(20))
    assert followed(notes) == ["it has not taken everything within 0.05 seconds; the results are in the store"]
    go.set()


def test_figures_and_settings() -> None:
    row = {"epoch": 3, "a": 1, "b": True, "c": "x", "d": float("inf"), "terms": {"kd": 2.5}, "watched": {"x": {"y": 1}}}
    assert figures(row) == {"a": 1.0, "terms/kd": 2.5, "watched/x/y": 1.0}
    known = settings(FIRST)
    assert (known["net"], known["method.name"], known["teacher.net"], known["recipe.batch_size"]) == (
        "resnet8",
        "kd",
        "resnet8",
        16,
    )


def test_a_training_is_the_same_with_a_tracker_and_without(tmp_path: Path) -> None:
    class Fails(Notes):
        def learned(self, run: Run, epoch: int, figures: Mapping[str, float]) -> None:
            super().learned(run, epoch, figures)
            if epoch == 2:
                raise ValueError("the server has gone")

    run, said, notes = make(), list[str](), Fails()
    sums = []
    for name, found in (("a", {}), ("b", {"it": notes})):
        with Tracked(lambda event: None, found, said.append) as show:
            record = execute([run], Store(tmp_path / name), Execution(), show).records[run.digest]
        sums.append(record.sums["weights.safetensors"])
    assert sums[0] == sums[1] and len(said) == 1 and "the server has gone" in said[0]
    assert [line[1] for line in notes.lines[1:3]] == [1, 2] and {"loss", "test_top1"} <= notes.lines[1][2].keys()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["tensorbord"], "unknown tracker 'tensorbord'; did you mean 'tensorboard'?"),
        (["nosuch"], "known: mlflow, tensorboard, wandb"),
        (["wandb:somewhere"], "wandb:online"),
        (["nosuch.module:Class"], "cannot import 'nosuch.module'"),
        (["os:path"], "holds no class 'path'"),
        (["os:nothing"], "holds no class 'nothing'"),
        (["support.followed:Thing"], "has no begins, learned, ends, close"),
        (["support.followed:Broken"], "fails when it is called with the store's folder: KeyError"),
        (["support.followed:Own", "support.followed:Own"], "named twice"),
    ],
)
def test_wrong_trackers_are_refused(texts: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support import followed as module

    def broken(root: Path) -> Notes:
        raise KeyError("nothing")

    for name, make_ in (("Thing", lambda root: object()), ("Broken", broken), ("Own", lambda root: Notes())):
        monkeypatch.setattr(module, name, make_, raising=False)
    with pytest.raises(RequestError) as error:
        trackers(texts, tmp_path)
    assert said in str(error.value)
    if "Thing" not in texts[0] and "Broken" not in texts[0]:  # which have to be made
        with pytest.raises(RequestError, match=re.escape(said)):
            check(texts)


def test_what_the_environment_says_and_is_not_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    asked = ["mlflow", "wandb", "tensorboard", "mlflow:http://127.0.0.1:9", "support.followed:Notes"]
    assert told(asked) == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@127.0.0.1:9")
    monkeypatch.setenv("WANDB_MODE", "online")
    said = told(asked)
    assert [line.split()[0] for line in said] == ["mlflow", "wandb"] and "secret" not in said[0]
    assert '--track "mlflow:$MLFLOW_TRACKING_URI"' in said[0] and "--track wandb:online" in said[1]


def test_a_plan_checks_trackers(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["train", "--net", "resnet8", "--data", "digits", "--track", "wandb:onlin", "--plan", "--throughput", "1"]) == 2
    )
    assert "wandb:online" in capsys.readouterr().err


def test_a_tracker_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support import followed as module

    monkeypatch.setattr(module, "Own", lambda root: Notes(), raising=False)
    (one,) = trackers(["support.followed:Own"], tmp_path).values()
    assert isinstance(one, Notes)
