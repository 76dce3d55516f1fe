"""Wrong requests to every command: none ends in a traceback, trains, or leaves its reason unsaid."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from didact.cli.commands import app
from didact.cli.main import main
from didact.execution import work

Requests = Callable[[random.Random], list[str]]

BASE = [
    "--net",
    "resnet8",
    "--data.classes",
    "2",
    "--data.per_class",
    "5",
    "--precision",
    "fp32",
    "--recipe.batch_size",
    "16",
]
COMMANDS = tuple(name for name in app if not name.startswith("-"))
VALUES = (
    "x", "", " ", "null", "true", "[]", "{}", "[1,2]", '{"name":5}', '{"name":null}', '[["digits"]]', "1.5.5", "NaN", "inf",
    "-inf", "1e300", "-1", "0", "0.5", "1.5", "0x10", "1" * 31, "-" + "1" * 31, "9" * 5000, "١٦", "１６", "a" * 3000, "[" * 50,
    "{", ",", "a,,b", "kd,", "../..", "/dev/zero", "\x1b[2J", "é", "1e-320", "nosuch", "os:kill", "raises:Thing", "exits:Thing",
    "syntax:Thing", "mine:nothing", "mine:VALUE", "no.such.module:Thing", "basic-", "basic-16-1x" + "9" * 5000, "basic-0-1x0",
)  # fmt: skip
SETTINGS = (
    "net", "epochs", "seeds", "seed", "precision", "recipe", "recipe.name", "recipe.batch_size", "recipe.learning_rate",
    "recipe.momentum", "recipe.schedule", "recipe.weight_decay", "recipe.nesterov", "recipe.name.x", "data", "data.name",
    "data.classes", "data.fraction", "data.per_class", "data.validation", "data_seed", "method", "method.temperature",
    "method.x", "teacher", "teacher.net", "teacher.seed", "teacher.recipe", "teacher.recipe.epochs", "teacher.start", "peers",
    "peers.net", "peers.method", "route", "route.anchors", "start", "nosuch", "epochs.x.y", "recipe.epochz",
)  # fmt: skip
MORE_OPTIONS = {
    "study": (
        *("scale", "table", "students", "draw", "pairs", "method", "teacher", "data", "temperatures", "weights"),
        *("only", "teacher_seeds", "teacher.recipe", "recipe", "stands_for", "base", "seeds", "epochs"),
    ),
}
"""Settings that a command takes in addition to the options of its function."""
SUBJECTS = {
    "list": ("nets", "runs", "pools", "devices", "recipes", "data", "nosuch", ""),
    "show": ("abc", "", "zz", "/", "a" * 3000),
    "explain": ("kd", "kdd", "", "raises:Thing", "mine:VALUE", "kd+", "+"),
    "look": ("abc", "", "a" * 3000),
    "compare": ("",),
    "fit": ("",),
    "search": ("abc", "", ","),
    "probe": ("abc", ",", "", "resnet8"),
    "quickstart": ("",),
    "study": ("gtn", "sftn", "sftn-fig3", "crd", "simkd", "gtn-memory", "nosuch", "nosuch.py", ""),
    "train": ("",),
}  # fmt: skip


@functools.cache
def options(command: str) -> tuple[str, ...]:
    """The options of a command that take a value."""
    arguments = app[command].assemble_argument_collection()
    names = [name for argument in arguments if argument.hint is not bool for name in argument.names if name.startswith("--")]
    return (*names, *(f"--{name}" for name in MORE_OPTIONS.get(command, ())))


class TrainedError(BaseException):
    """Stands for a training: the request is valid."""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with modules of a user's own that are broken, no data, no network, and no training."""

    def train(*_: object, **__: object) -> None:
        raise TrainedError

    (tmp_path / "raises.py").write_text("raise KeyError('nothing')\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "syntax.py").write_text("def (:\n")
    (tmp_path / "mine.py").write_text("VALUE = 3\n")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "data"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(work, "train", train)


def setting(draw: random.Random) -> list[str]:
    return ["train", *BASE, f"--{draw.choice(SETTINGS)}", draw.choice(VALUES)]


def two_settings(draw: random.Random) -> list[str]:
    teacher = draw.choice((["--teacher.net", "resnet14"], ["--peers.net", "resnet14", "--method", "dml"], []))
    return ["train", *BASE, *teacher, f"--{draw.choice(SETTINGS)}", draw.choice(VALUES), f"--{draw.choice(SETTINGS)}", "1"]


def option(draw: random.Random) -> list[str]:
    command = draw.choice(COMMANDS)
    subject = draw.choice(SUBJECTS.get(command, ("abc", "")))
    base = BASE if command == "train" else []
    return [command, *([subject] if subject else []), *base, draw.choice(options(command)), draw.choice(VALUES)]


def subject(draw: random.Random) -> list[str]:
    command = draw.choice(("show", "explain", "look", "search", "probe", "list", "study"))
    return [command, draw.choice(VALUES)]


def misspelt(draw: random.Random) -> list[str]:
    words = [draw.choice(COMMANDS), *BASE, "--json"]
    at = draw.randrange(len(words))
    letters = list(words[at])
    letters.insert(draw.randrange(len(letters)), draw.choice("xyz"))
    words[at] = "".join(letters)
    return words


def cut_short(draw: random.Random) -> list[str]:
    words = option(draw)
    return words[: draw.randrange(1, len(words))] + draw.choice(([], ["--jsxon"], ["--copmile"], ["--"]))


KINDS: tuple[Requests, ...] = (setting, setting, two_settings, option, option, subject, misspelt, cut_short)


def outcome(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with the answer to a request; nothing where it is as it should be."""
    try:
        code = main(words)
    except TrainedError:
        capsys.readouterr()
        return ""
    except BaseException as error:  # a traceback, whatever its kind
        capsys.readouterr()
        return f"{type(error).__name__}: {str(error)[:200]}"
    said = capsys.readouterr().err
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if code and not said.strip():
        return f"exit code {code} without a word"
    if "Traceback" in said or "errors.pydantic.dev" in said or "\x1b[2J" in said:
        return said[:200]
    if len(said) > 1600:
        return f"{len(said)} characters: {said[:120]} ... {said[-120:]}"
    return ""


def faults(seed: int, count: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        words = draw.choice(KINDS)(draw)
        if words[:1] == ["quickstart"] and len(words) < 3:
            continue  # a whole study
        if fault := outcome(words, capsys):
            found.append(f"{[word[:60] for word in words[-2:]]}: {fault}")
    return found


def test_wrong_requests_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(0, 300, capsys) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_more_wrong_requests_are_answered(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert faults(seed, 500, capsys) == []


def test_every_command_is_walked() -> None:
    assert {"train", "search", "show"} <= set(COMMANDS) and SUBJECTS.keys() <= set(COMMANDS)
    assert all(options(command) for command in COMMANDS)
    assert "--max-latency" in options("search") and "--json" not in options("search")
