"""What is in the way of a run is moved, said, and never deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from didact.files.checked import DamagedError
from didact.store.writing.run_folder import RunFolder, bytes_of, exists


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def run_folder(tmp_path: Path, messages: list[str]) -> RunFolder:
    folder = tmp_path / "net.kd.s0.0123"
    (folder / "route").mkdir(parents=True)
    (folder / "a.json").write_text("a")
    return RunFolder(folder, messages.append)


def test_a_folder_is_moved_with_all_that_it_holds(run_folder: RunFolder, messages: list[str]) -> None:
    run_folder.put_aside(DamagedError("a.json is not what was written"))
    (aside,) = run_folder.folder.parent.iterdir()
    assert aside.name.startswith("net.kd.s0.0123.damaged-") and (aside / "a.json").read_text() == "a"
    assert messages == [f"damaged: a.json is not what was written; moved to {aside.name}, the run is trained again"]


def test_one_file_is_moved_and_the_rest_stays(run_folder: RunFolder, messages: list[str]) -> None:
    run_folder.move("a.json", DamagedError("why"))
    (aside,) = [path for path in run_folder.folder.parent.iterdir() if path != run_folder.folder]
    assert (aside / "a.json").read_text() == "a" and not exists(run_folder.folder / "a.json")
    assert messages == [f"damaged: why; moved a.json to {aside.name}"]


def test_a_folder_with_the_name_of_a_file_and_a_file_with_that_of_the_route_are_moved(run_folder: RunFolder) -> None:
    folder = run_folder.folder
    (folder / "spec.json").mkdir()
    (folder / "route").rmdir()
    (folder / "route").write_text("no folder")
    assert run_folder.clear_names(["spec.json", "a.json"]) == {"spec.json", "route"}
    assert sorted(path.name for path in folder.iterdir()) == ["a.json"]


def test_anchors_are_the_files_with_a_number(run_folder: RunFolder) -> None:
    for name in ("0004.safetensors", "x.safetensors", "0004.json"):
        (run_folder.folder / "route" / name).write_text("")
    assert [path.name for path in run_folder.anchors()] == ["0004.safetensors"]


def test_what_is_there_and_what_it_holds(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    assert exists(link) and bytes_of(link) is None and not exists(tmp_path / "other")
    (tmp_path / "file").write_bytes(b"x")
    assert bytes_of(tmp_path / "file") == b"x"
