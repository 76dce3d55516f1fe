"""Paths that a person types: the home folder, and what is said before anything is computed for them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.cli.output import picture_path
from didact.report.figures import canvas
from didact.spec import SpecError, UnwritableError


def test_a_tilde_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    devices = [{"name": "mine", "what": "of a test", "memory": "1 MB"}]
    (tmp_path / "devices.json").write_text(json.dumps(devices))
    assert main(["fit", "--pool", "resnet8", "--bits", "8", "--devices", "~/devices.json", "--target", "mine"]) == 0
    assert "mine" in capsys.readouterr().out
    assert picture_path(Path("~/new/who.png")) == tmp_path / "new" / "who.png"
    assert picture_path(None) is None


def test_a_picture_that_cannot_be_written_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "who.png", tmp_path / "folder.png"):
        with pytest.raises(SpecError, match="picture: no file can be written at"):
            picture_path(path)
    monkeypatch.chdir(tmp_path)
    assert picture_path(Path("who.png")) == Path("who.png")
    monkeypatch.setattr(os, "access", lambda *given: False)
    with pytest.raises(UnwritableError, match=r"picture: no file can be written at 'new/who.png'"):
        picture_path(Path("new/who.png"))


def test_a_picture_is_written_whole_or_not_at_all_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    canvas.save(Figure(figsize=(1, 1)), tmp_path / "new" / "who.png")
    before = (tmp_path / "new" / "who.png").read_bytes()
    assert before[:4] == b"\x89PNG"

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"who.png: No space left on device"):
        canvas.save(Figure(figsize=(2, 2)), tmp_path / "new" / "who.png")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [("who.png", before)]


def test_the_working_directory_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])
    before = list(sys.path)
    assert main(["explain", "kd"]) == 0
    assert sys.path == [*before, ""]
