"""Every ``didact ...`` of the documents is a command that the command line takes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from didact.cli.commands import app
from didact.methods.kd import KD
from didact.papers.contract import find
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.run import Run
from support.documents import Command, Document, documents
from support.workplace import NETWORK, words

LIBRARIES = {"timm:": "timm", "torchvision:": "torchvision", "hf:": "transformers", "onnx": "onnxruntime"}
"""What a word names, and the library that must be there to read it."""

ELSEWHERE = ("my-student",)
"""Networks that left; where they are read is tested in tests/cli/test_share.py. Here these commands are only parsed."""


FINISHED = Run(net="resnet8", method=KD(), teacher=Run(net="resnet20"))
"""What ``--start`` names, whatever the name."""


def check(given: list[str]) -> None:
    """Parse a command's words; for one that trains, make its Runs too."""
    name, *rest = given
    if name not in app:
        raise ValueError(f"there is no command {name}")
    if not rest or rest == ["--help"]:
        return
    _, bound, _ = app.parse_args(given, exit_on_error=False, print_error=False)
    readable = all(importlib.util.find_spec(library) for word, library in LIBRARIES.items() if word in " ".join(rest))
    if not readable or any(word in rest for word in ELSEWHERE):
        return
    settings = parse(bound.arguments.get("settings", ()))
    if name == "study":
        find(bound.arguments["name"])(settings, "cpu")
    elif name in ("train", "advise"):
        assert plan(settings, "cpu", lambda _: FINISHED)


def faults(commands: list[tuple[str, list[str]]]) -> list[str]:
    """What is wrong with commands, a line each with its place."""
    lines = []
    for place, given in commands:
        try:
            check(given)
        except Exception as error:
            lines.append(f"{place}: didact {' '.join(given)}: {error}")
    return lines


@pytest.mark.parametrize("page", [page for page in documents() if any(page.commands)], ids=lambda page: page.name)
def test_every_command_of_a_page_is_taken(page: Document, there: Path) -> None:
    """Commands that train are planned, too: every setting is known, every network and method is found."""
    commands = [command for command in page.commands if command.words[0] != "--help"]
    assert faults([(command.place, words(command)) for command in commands]) == []


def test_every_setting_of_the_list_of_tasks_is_taken(there: Path) -> None:
    """Its first two tables give settings of ``didact train`` without the command."""
    (page,) = (page for page in documents() if page.name == "docs/tasks.md")
    (end,) = (i for i, token in enumerate(page.tokens) if token.content == "Questions")
    inside = [child for token in page.tokens[:end] for child in token.children or ()]
    rows = [child.content for child in inside if child.type == "code_inline" and child.content.startswith("--")]
    assert len(rows) > 25
    beginnings = {"--teacher.start weights --teacher.method sftn": "--teacher.weights ckpt.pth"}
    given = []
    for row in rows:
        text = f"didact train {beginnings.get(row, '')} {row}"
        for setting, value in (("--net", "resnet8x4"), ("--data", "cifar100"), ("--teacher.net", "resnet32x4")):
            if f"{setting} " not in text and not (setting == "--teacher.net" and "--peers.net" in text):
                text += f" {setting} {value}"
        given.append((row, words(Command(page.name, 0, text, inline=True))))
    assert faults(given) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("didact train --nett resnet8", "did you mean 'net'"),
        ("didact trian", "there is no command trian"),
        ("didact look DIGEST --layer", "--layer"),
        ("didact study sftn --tabel 4", "tabel"),
    ],
)
def test_a_wrong_command_is_named(text: str, said: str) -> None:
    (fault,) = faults([("page.md:3", words(Command("page.md", 3, text, inline=False)))])
    assert fault.startswith("page.md:3: didact ") and said in fault


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("didact show RUN   # one run", ["show", "DIGEST"]),
        ("didact probe DIGEST[,DIGEST...] [--size 32] --data x", ["probe", "DIGEST,DIGEST", "--size", "32", "--data", "x"]),
        ("didact train ...the same, alone... --method ce", ["train", "--method", "ce", *NETWORK[:2]]),
        ("didact advise ... --epochs 9", ["advise", "--epochs", "9", *NETWORK]),
        ('didact train --net a --data ... --method.after "[0,1]"', ["train", "--net", "a", "--method.after", "[0,1]"]),
    ],
)
def test_what_stands_for_something_is_filled_in(text: str, given: list[str]) -> None:
    assert words(Command("", 1, text, inline=False)) == given
