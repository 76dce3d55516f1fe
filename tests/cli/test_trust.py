"""A store is data: whatever its Records name, a command that reads it imports and calls nothing of it, unless it is trusted."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from support.recorded import recorded

pytestmark = pytest.mark.usefixtures("few_digits")
Said = pytest.CaptureFixture[str]

EVIL = "didact-runs.runs.x.evil:M"
READING = [
    ["list", "runs"],
    ["compare"],
    ["show", "{digest}"],
    ["look", "{digest}"],
    ["look", "{digest}", "--against", "{digest}"],
    ["probe", "{digest}", "--data", "digits"],
    ["search", "{digest}"],
    ["search", "{digest}", "--trained"],
]
"""Every command that reads a store."""

SPECS: list[dict[str, Any]] = [
    {"net": "resnet8", "method": {"name": EVIL}},
    {"net": EVIL, "method": {"name": "ce"}},
    {"net": "os:kill", "method": {"name": "ce"}},
    {"net": "resnet8", "method": {"name": "sftn", "student": "os:kill"}},
    {"net": "resnet8", "method": {"name": "gtn", "pool": EVIL}},
    {"net": "resnet8", "method": {"name": "gtn", "pool": {"members": ["resnet8", "os:kill"]}}},
    {"net": "resnet8", "method": {"name": "kd"}, "teacher": {"net": "resnet14", "teacher": {"net": "os:kill"}}},
    {"net": "resnet8", "method": {"name": "dml"}, "peers": [{"net": "resnet8", "method": {"name": EVIL}}]},
    {"net": "resnet8", "start": {"run": {"net": EVIL}}},
    {"net": "resnet8", "method": {"name": "ce"}, "data": {"name": EVIL, "content": "0"}},
]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a store of which a module would be found, and its functions be called."""
    module = tmp_path / "didact-runs/runs/x/evil.py"
    module.parent.mkdir(parents=True)
    module.write_text("open('MARK', 'w').close()\nM = lambda *_: open('MARK', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")

    def kill(*called: object) -> None:
        (tmp_path / "MARK").touch()

    monkeypatch.setattr(os, "kill", kill)
    return tmp_path


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_no_command_runs_what_a_record_names(work: Path, command: list[str], capsys: Said) -> None:
    refused = command[0] in ("look", "probe", "search")
    for spec in SPECS:
        record = recorded(work / "didact-runs", spec)
        digest = record.folder.name.rpartition(".")[2]
        code = main([word.format(digest=digest) for word in command])
        shown = capsys.readouterr()
        assert code == (2 if refused or command == ["compare"] else 0)
        assert not (work / "MARK").exists()
        said = shown.err if command[0] != "show" else shown.out
        assert "--trust-store" in said
        assert re.search(f"'({re.escape(EVIL)}|os:kill)'", said)
        if command in (["list", "runs"], ["show", "{digest}"]):
            assert digest in shown.out
            assert "50" in shown.out


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_record_that_was_not_even_sealed(work: Path, command: list[str], capsys: Said) -> None:
    folder = work / "didact-runs/runs/x"
    (folder / "record.json").write_text("{}")
    (folder / "spec.json").write_text(json.dumps(SPECS[0]))
    main([word.format(digest="x") for word in command])
    assert not (work / "MARK").exists()
    assert "x" in capsys.readouterr().err


def test_a_trusted_store_is_as_code(work: Path, capsys: Said) -> None:
    recorded(work / "didact-runs", SPECS[0])
    main(["list", "runs", "--trust-store"])
    assert (work / "MARK").exists()


MINE = """
from torch import nn
from didact import Block, BlockNet
from didact.nets import Head

def tiny(num_classes, in_channels):
    body = nn.Sequential(nn.Conv2d(in_channels, 4, 3, 2, 1), nn.BatchNorm2d(4))
    return BlockNet(nn.Identity(), [("1", Block(body, nn.ReLU()))], Head(4, num_classes))
"""


def test_ones_own_network_is_found_by_the_request_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (tmp_path / "own_of_trust.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    small = ["--data.per_class", "2", "--epochs", "1", "--recipe.batch_size", "10", "--method", "ce", "--precision", "fp32"]
    assert main(["train", "--net", "resnet8,own_of_trust:tiny", *small]) == 0
    capsys.readouterr()
    assert main(["train", "--net", "own_of_trust:tiny", *small, "--json"]) == 0  # its Record is used again
    shown = capsys.readouterr()
    assert "training" not in shown.err
    top1 = json.loads(shown.out)[0]["rows"][0]["top1"]["none"]["mean"]

    assert main(["list", "runs", "--json"]) == 0
    shown = capsys.readouterr()
    own, other = sorted(json.loads(shown.out), key=lambda row: row["run"])
    assert (own["run"], own["how"], own["test top-1 (%)"]) == (
        "own_of_trust-tiny.ce.s0",
        "ce (code not trusted)",
        round(top1, 2),
    )
    assert other["how"] == "alone (ce)"
    assert "'own_of_trust:tiny'" in shown.err

    assert main(["compare", "--json"]) == 0
    shown = capsys.readouterr()
    assert [table["title"].split()[0] for table in json.loads(shown.out)] == ["resnet8"]
    line, *others = shown.err.splitlines()
    assert all("no better than guessing" in other for other in others)
    assert line.startswith("left out 1 of the Records") and "own_of_trust:tiny" in line and "--trust-store" in line

    for named in (["--net", "own_of_trust:tiny"], ["--trust-store"]):
        assert main(["compare", "--json", *named]) == 0
        shown = capsys.readouterr()
        assert "own_of_trust:tiny" in [table["title"].split()[0] for table in json.loads(shown.out)]
        assert "left out" not in shown.err
    assert main(["list", "runs", "--trust-store", "--json"]) == 0
    assert {row["how"] for row in json.loads(capsys.readouterr().out)} == {"alone (ce)"}
    assert main(["show", own["digest"], "--trust-store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deployed"]["parameters"] == 4 * 9 + 4 + 8 + 4 * 10 + 10

    onwards = ["train", "--start", own["digest"], "--recipe.bits", "8", "--plan", "--throughput", "1"]
    assert main(onwards) == 2 and "add --trust-store" in capsys.readouterr().err
    assert main([*onwards, "--trust-store"]) == 0  # as the message says
    assert "own_of_trust:tiny" in capsys.readouterr().out

    assert main(["runs", "rm", other["digest"], "--yes"]) == 0
    for command in (["compare"], ["report", "-o", "page.html"]):  # a run is there: nobody is sent to train
        capsys.readouterr()
        assert main(command) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last == "didact: no finished run in didact-runs that may be read; add --trust-store for the 1 left out"


IMAGES = """
import numpy as np
from didact.data import ImageSet

def part(count):
    return np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8), np.arange(count) % 2

IMAGES = ImageSet(part(20), part(8))
"""


def test_ones_own_data_set_is_read_by_the_request_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    (tmp_path / "images_of_trust.py").write_text(IMAGES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    name, net = "images_of_trust:IMAGES", "basic-4-1x4-1x4"
    small = ["--epochs", "1", "--recipe.batch_size", "10", "--method", "ce", "--precision", "fp32"]
    assert main(["train", "--net", net, "--data", name, *small]) == 0
    capsys.readouterr()
    sys.modules.pop("images_of_trust")

    for command in (["list", "runs"], ["compare"], ["look", net], ["probe", net, "--data", "digits"]):
        main(command)
        assert "names code that is not built in ('images_of_trust:IMAGES')" in " ".join(capsys.readouterr().err.split())
        assert "images_of_trust" not in sys.modules
    for named in (["--data", name], ["--trust-store"]):
        assert main(["compare", "--json", *named]) == 0
        (table,) = json.loads(capsys.readouterr().out)
        assert name in table["title"]
    assert main(["probe", net, "--data", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answers"][0]["images"] == {"train": 20, "test": 8}
    assert main(["list", "data", "--data", name, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["data"], row["classes"], row["image"], row["here"]) == (name, 2, "1x8x8", "yes")
    assert main(["list", "nets", "--data", name]) == 2


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_store_that_is_none(tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "file").touch()
    asked = [word.format(digest="abc") for word in command]
    for store, said in (
        ("nosuchfolder", "nosuchfolder does not exist"),
        ("file", "file is no folder"),
        (".", "holds no runs"),
        ("", "empty text"),
        ("~/runs", f"{tmp_path / 'home/runs'} does not exist"),
    ):
        assert main([*asked, "--store", store]) == 2
        shown = capsys.readouterr()
        assert said in " ".join(shown.err.split()) and shown.out == ""
        monkeypatch.setenv("DIDACT_STORE", store)
        assert main(asked) == 2
        assert said in " ".join(capsys.readouterr().err.split())
        monkeypatch.delenv("DIDACT_STORE")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
