"""A part of every kind from outside the package, in modules of the user's own: each is used without a line inside it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.execution import Execution, execute
from didact.request.plan import plan
from didact.store.store import Store

PARTS = '''
from typing import ClassVar

import torch
from torch import nn

from didact import Block, BlockNet, Method, execute, plan
from didact.data import ImageSet
from didact.deploy.device import Device
from didact.execution.executor import Executor
from didact.losses import cross_entropy
from didact.nets import Head
from didact.spec import spec
from didact.tables.table import Table
from didact.tensors import reads


def net(num_classes, in_channels):
    block = nn.Sequential(nn.Conv2d(in_channels, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4))
    second = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4))
    return BlockNet(nn.Identity(), [("1", Block(block, nn.ReLU())), ("2", Block(second, nn.ReLU()))], Head(4, num_classes))


def flowers():
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (24, 3, 8, 8), dtype=torch.uint8, generator=draw)
    labels = torch.arange(24) % 3
    return ImageSet(train=(images, labels), test=(images[:9], labels[:9]))


@spec
class Near(Method):
    """Logits near the teacher's."""

    @property
    def needs(self):
        return reads("logits", teacher="logits")

    def terms(self, extras, context):
        return {"near": (context.own.logits - context.teacher.logits).pow(2).mean()}


@spec
class NoTerms(Method):
    """Lacks its loss."""


class Bare(Near):
    """Lacks its decorator."""

    beta: float = 1.0


@spec
class Twice(Method):
    """A method on the teacher: the cross entropy counts twice."""

    teaches: ClassVar = True

    def terms(self, extras, context):
        return {"twice": 2 * cross_entropy(context.own.logits, context.batch.labels)}


@spec
class Backwards(Executor):
    """Jobs in this process; it remembers how many there were."""

    jobs: ClassVar[list] = []

    def run(self, queue, work, show):
        while (job := queue.next()) is not None:
            self.jobs.append(job)
            queue.end(job, work(job, show=show))


BOARD = Device(name="board", what="a board", weight_memory=10**6, memory=10**6, bits=(8,), source="me", date="2026-01-01")


class Half:
    title = "half a study"

    def __init__(self, settings, device):
        pass

    def train(self, *arguments, **more):
        raise AssertionError("it is checked first")


def net2(one):
    return one


class Study:
    title, students, published = "a study", {}, ()

    def __init__(self, settings, device):
        self.runs = plan({**settings, "net": "toys:net", "data": "toys:flowers", "method": "ce", "epochs": 1}, device)

    def train(self, store, execution, show=None, *, retry=False):
        return execute(self.runs, store, execution, show, retry=retry)

    def tables(self, store, device, tell):
        return [Table(("net", "runs"), tuple((run.net, len(self.runs)) for run in self.runs), "what was trained")]
'''

COMMAND = '''
def hello(name: str = "you") -> int:
    """Say hello."""
    print("hello", name)
    return 0
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as pip leaves it, with a package that has two commands; the name of one is taken."""
    about = tmp_path / "toy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[didact.commands]\nhello = toy_commands:hello\nshow = toy_commands:hello\n")
    (tmp_path / "toy_commands.py").write_text(COMMAND)
    return tmp_path


def didact(installed: Path, *words: str) -> tuple[int, str]:
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "didact", *words]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_command_of_an_installed_package_runs_and_stands_in_the_help(installed: Path) -> None:
    assert didact(installed, "hello", "--name", "Ann") == (0, "hello Ann\n")
    assert "Say hello." in didact(installed, "--help")[1]
    code, text = didact(installed, "show", "--help")
    assert code == 0 and "Show one run of the store" in text  # a command of didact keeps its name


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of parts, as it lies in a user's folder."""
    (tmp_path / "toys.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("toys")
    del sys.modules["toys"]


def test_a_network_a_data_set_two_methods_and_an_executor(toys: Any, tmp_path: Path) -> None:
    teacher = {"net": "toys:net", "method": "toys:Twice", "seed": 1}
    request = {"net": "toys:net", "data": "toys:flowers", "epochs": 1, "precision": "fp32", "teacher": teacher}
    (run,) = plan({**request, "method": "toys:Near"})
    outcome = execute([run], Store(tmp_path / "runs"), Execution(executor="toys:Backwards"))
    assert not outcome.failures and len(toys.Backwards.jobs) == 2
    assert run.teacher is not None
    (first,) = outcome.records[run.teacher.digest].metrics()
    (row,) = outcome.records[run.digest].metrics()
    assert list(first["terms"]) == ["twice"] and list(row["terms"]) == ["near"]


def test_a_study(toys: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["study", "toys:Study", "--precision", "fp32", "--seeds", "2", "--store", str(tmp_path / "runs")]
    assert main([*arguments, "--format", "csv"]) == 0
    assert "toys:net,2" in capsys.readouterr().out
    assert len(list(tmp_path.glob("runs/runs/*/record.json"))) == 2
    assert main(["study", "toys:Nothing"]) == 2
    assert "'toys' holds no 'Nothing' for the study" in capsys.readouterr().err
    assert main(["study", "toys:Half", "--store", str(tmp_path / "none")]) == 2
    assert "gives a Half without students, published, tables" in capsys.readouterr().err
    assert main(["study", "toys:net2", "--store", str(tmp_path / "none")]) == 2
    assert "toys:net2" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_methods_that_lack_something_say_what(toys: Any, capsys: pytest.CaptureFixture[str]) -> None:
    request = ["train", "--net", "resnet8", "--teacher.net", "resnet8"]
    for name, words in (
        ("toys:NoTerms", "NoTerms has no 'terms'; write it"),
        ("toys:Bare", "Bare is not a dataclass; put @didact.spec.spec above it"),
    ):
        assert main([*request, "--method", name]) == 2
        assert words in capsys.readouterr().err


def test_a_device(toys: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--pool", "resnet8", "--bits", "8", "--devices", "toys:BOARD", "--target", "board"]) == 0
    assert "board" in capsys.readouterr().out
