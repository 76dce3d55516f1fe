"""Folders that are filled beside their place: nothing is left of them, and what kills left goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from didact.files.beside import DAY, folder_beside


def test_nothing_is_left_beside_what_was_renamed(tmp_path: Path) -> None:
    with folder_beside(tmp_path, ".new-") as folder:
        (folder / "file").write_text("all")
        folder.rename(tmp_path / "place")
    with pytest.raises(FileNotFoundError), folder_beside(tmp_path, ".new-") as folder:
        (folder / "file").rename(folder / "below" / "file")
    assert os.listdir(tmp_path) == ["place"] and os.listdir(tmp_path / "place") == ["file"]


def test_what_killed_processes_left_goes_and_nothing_else(tmp_path: Path) -> None:
    """Of folders untouched for a day; one in which another process writes, deep below, is its own."""
    old = time.time() - DAY - 60
    for name in (".new-left", ".new-busy", "new-mine", ".other-left", "elsewhere"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "half").write_text("half")
    (tmp_path / ".new-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".new-file").write_text("a file")
    for parent, folders, files in os.walk(tmp_path):
        for name in (*folders, *files):
            os.utime(os.path.join(parent, name), (old, old), follow_symlinks=False)
    (tmp_path / ".new-busy" / "below" / "half").write_text("more")
    with folder_beside(tmp_path, ".new-"):
        pass
    kept = {".new-busy", "new-mine", ".other-left", "elsewhere", ".new-link", ".new-file"}
    assert set(os.listdir(tmp_path)) == kept and os.listdir(tmp_path / "elsewhere" / "below") == ["half"]


def test_what_cannot_be_looked_at_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk of the network that does not answer: it may be another process's work. The others go."""
    for name in (".new-a", ".new-b", ".new-c"):
        (tmp_path / name / "below").mkdir(parents=True)
        os.utime(tmp_path / name / "below", (0, 0))
        os.utime(tmp_path / name, (0, 0))
    own = os.scandir

    def failing(path: str) -> object:
        if str(path).endswith(os.path.join(".new-b", "below")):
            raise OSError(5, "Input/output error")
        return own(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", failing)
        with folder_beside(tmp_path, ".new-"):
            pass
    assert os.listdir(tmp_path) == [".new-b"] and os.listdir(tmp_path / ".new-b") == ["below"]
