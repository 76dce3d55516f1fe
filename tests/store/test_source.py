"""Own code that was edited since a run was trained: what fits is told of, what does not fit is refused with its name."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from didact import Execution, Store, execute, plan
from didact.cli.main import main
from didact.spec import RequestError

CODE = """
from torch import nn
from didact import Block, BlockNet
from didact.nets import Head

W, P = 4, 0.1


def conv(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b))


def net(classes, channels):
    blocks = [("1", Block(conv(channels, 4), nn.ReLU())), ("2", Block(conv(4, W), nn.ReLU()))]
    return BlockNet(nn.Dropout(P), blocks, Head(W, classes))
"""
TINY = {"name": "digits", "classes": 2, "per_class": 4}


def asked(method: str = "kd", **more: Any) -> list[Any]:
    net = "basic-4-1x4-1x4"
    plain = {"net": net, "teacher": {"net": "edited:net"}, "method": method, "epochs": 1, "precision": "fp32", "data": TINY}
    return plan(plain | more)


def edit(folder: Path, before: str, after: str) -> None:
    """Change the file and import it again, as another process does."""
    file = folder / "edited.py"
    file.write_text(file.read_text().replace(before, after))
    sys.modules.pop("edited")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "edited.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "edited", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


@pytest.mark.usefixtures("few_digits")
def test_a_source_that_changed_under_a_record_is_told_of_once(folder: Path) -> None:
    heard: list[str] = []
    (run,) = asked()
    records = execute([run], Store(folder / "store", heard.append), Execution()).records
    source = {"edited:net": hashlib.sha256(CODE.encode()).hexdigest()}
    assert records[run.digest].environment()["source"] == source
    execute([run], Store(folder / "store", heard.append), Execution())
    assert not heard
    edit(folder, "0.1", "0.2")
    store = Store(folder / "store", heard.append)
    execute(asked("kd", seeds=2), store, Execution())
    store.load(run)
    assert heard == ["edited:net has changed since edited-net.ce.s0 was trained; its Record is used as it is"]


@pytest.mark.usefixtures("few_digits")
def test_own_code_of_other_shapes_is_refused_before_anything_is_trained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = asked("fitnet", epochs=2, teacher={"net": "edited:net"}, route={"anchors": 2})
    where = folder / "store"
    execute([run], Store(where), Execution())
    edit(folder, "W, P = 4", "W, P = 6")
    network = (
        r"edited:net is not the network that was trained \(first difference: blocks.2.body.0.weight \(4, 4, 3, 3\) there"
    )
    with pytest.raises(RequestError, match=network):
        Store(where).anchor(run.teacher, 1)
    with pytest.raises(RequestError, match=r"edited:net: the parts that .*fitnet.* adds are not those that were trained"):
        Store(where).load(run)
    before = sorted(where.rglob("*"))
    with pytest.raises(RequestError, match=network):
        execute(asked("at", epochs=2), Store(where), Execution())
    assert sorted(where.rglob("*")) == before
    for whose in ("edited-net.", "basic-4"):
        assert main(["look", whose, "--against", run.digest, "--store", str(where), "--trust-store"]) == 2
        assert "edited:net" in (said := capsys.readouterr().err) and "its code has changed" in said
