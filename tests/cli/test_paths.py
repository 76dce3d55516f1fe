"""Paths that a person types: the home folder, and what is said before anything is computed for them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from didact import cli
from didact.cli.main import main
from didact.cli.output import picture_path, save_picture
from didact.files.disk import UnwritableError
from didact.report.figures import canvas
from didact.spec import RequestError, SpecError


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


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_picture_replaces_one_that_didact_drew_and_no_other_file(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from matplotlib.figure import Figure

    path = tmp_path / "new" / f"who.{kind}"
    save_picture(Figure(figsize=(1, 1)), path, "text")
    assert capsys.readouterr().out == f"Picture: {path}\n"
    assert picture_path(path) == path
    save_picture(Figure(figsize=(1, 1)), path, "json")
    assert capsys.readouterr() == ("", f"Picture: {path}, instead of an earlier one\n")
    Figure(figsize=(1, 1)).savefig(path)  # of a person's own program
    with pytest.raises(RequestError, match=f"picture: .*who.{kind} exists, and didact has not drawn it; name another"):
        picture_path(path)
    with pytest.raises(RequestError, match=r"who\..* exists, and didact has not drawn it"):
        picture_path(tmp_path / f"a.{kind}", lambda given: [given, path])


COMMANDS = {
    "compare": [],
    "look": ["resnet8.kd"],
    "search": ["resnet8.kd"],
    "study": ["crd"],
    "advise": ["--net", "resnet8", "--teacher.net", "resnet14"],
}
"""Those with --picture, and what each needs."""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_replaces_a_file_of_ones_own(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before anything is looked up, so that the store need not be there."""
    for name in ("who.png", "who-layers.png"):
        (tmp_path / name).write_bytes(b"a photograph")
    asked = [command, *COMMANDS[command], "--picture", str(tmp_path / "who.png"), "--store", str(tmp_path / "none")]
    assert main(asked) == 2
    assert "exists, and didact has not drawn it; name another, or remove it" in capsys.readouterr().err
    assert (tmp_path / "who.png").read_bytes() == b"a photograph"


def test_every_command_with_a_picture_is_tested() -> None:
    files = Path(cli.__file__).parent.glob("*.py")
    assert {file.stem for file in files if "picture_path(picture" in file.read_text()} == set(COMMANDS)


def test_the_working_directory_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])
    before = list(sys.path)
    assert main(["explain", "kd"]) == 0
    assert sys.path == [*before, ""]
