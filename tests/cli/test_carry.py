"""``didact runs export``, ``import`` and ``merge``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from didact.cli.main import main
from support.shelf import Shelf, shelf

Read = pytest.CaptureFixture[str]


@pytest.fixture
def full(tmp_path: Path) -> Shelf:
    return shelf(tmp_path / "one")


def test_runs_leave_with_their_teachers_and_arrive(full: Shelf, tmp_path: Path, capsys: Read) -> None:
    here, there, file = str(full.store.root), str(tmp_path / "two"), str(tmp_path / "runs.tar")
    assert main(["runs", "export", full.students[0].digest, "-o", file, "--store", here]) == 0
    assert "runs.tar: 2 runs" in capsys.readouterr().out
    assert main(["runs", "import", file, "--store", there]) == 0
    assert capsys.readouterr().out == "2 taken\n"
    assert main(["runs", "import", file, "--store", there]) == 0
    assert capsys.readouterr().out == "0 taken, 2 there already\n"
    assert main(["runs", "merge", here, "--store", there]) == 0
    assert capsys.readouterr().out == "2 taken, 2 there already\n"
    assert main(["runs", "export", "-o", str(tmp_path / "all.tar"), "--store", there]) == 0
    assert "4 runs" in capsys.readouterr().out
    assert main(["runs", "export", "--where", "seed=5", "-o", str(tmp_path / "w.tar"), "--store", there]) == 0
    assert "1 run," in capsys.readouterr().out


def test_what_is_missing_or_unfinished_is_said(full: Shelf, tmp_path: Path, capsys: Read) -> None:
    here = ["--store", str(full.store.root)]
    assert main(["runs", "rm", full.teacher.digest, "--even-needed", "--yes", *here]) == 0
    for name in ("record.json", "weights.safetensors"):
        (full.folder(full.loner) / name).unlink()
    capsys.readouterr()
    assert main(["runs", "export", "-o", str(tmp_path / "a.tar"), *here]) == 0
    said = capsys.readouterr()
    assert f"needs {full.teacher.digest}, which is not in the store" in said.err and "is unfinished" in said.err
    assert "2 runs" in said.out
    assert main(["runs", "export", full.loner.digest, "-o", str(tmp_path / "b.tar"), *here]) == 2
    assert "none of the runs is finished" in capsys.readouterr().err


def test_a_store_that_takes_nothing_is_a_failure(
    full: Shelf, tmp_path: Path, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "runs.tar")
    assert main(["runs", "export", "-o", file, "--store", str(full.store.root)]) == 0
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    for command in (["import", file], ["merge", str(full.store.root)]):
        assert main(["runs", *command, "--store", str(tmp_path / "two")]) == 1
        said = capsys.readouterr().err
        assert "nothing can be kept in the store" in said and "name another one (--store FOLDER)" in said
        assert "train" not in said.replace(str(tmp_path), "")


def test_a_conflict_is_an_exit_code(full: Shelf, tmp_path: Path, capsys: Read) -> None:
    other = shelf(tmp_path / "two")
    half = other.folder(other.loner)
    for name in ("record.json", "weights.safetensors"):
        (half / name).unlink()
    assert main(["runs", "merge", str(full.store.root), "--store", str(other.store.root)]) == 1
    said = capsys.readouterr()
    assert said.out == "0 taken, 3 there already, 1 different here\n" and "is not finished here" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export"], "--output"),
        (["export", "zzz", "-o", "x.tar"], "fits no run"),
        (["export", "-o", "x.zip"], "output: the name of a tar file, such as runs.tar, found 'x.zip'"),
        (["export", "-o", "{here}"], "exists; name another"),
        (["import", "nowhere.tar"], "there is no such file"),
        (["merge", "nowhere"], "other: nowhere does not exist; name the store whose runs are copied"),
        (["import"], "runs import: ARCHIVE is missing, a file from didact runs export; write didact runs import ARCHIVE"),
        (["import", "https://example.org/runs.tar"], "archive: https://example.org/runs.tar is an address; files are read"),
        (["merge", ""], "found an empty text"),
        (["merge", "{here}"], "is the store itself"),
    ],
)
def test_wrong_requests(full: Shelf, words: list[str], said: str, tmp_path: Path, capsys: Read) -> None:
    here = str(full.store.root)
    words = [word.format(here=here) for word in words]
    assert main(["runs", *words, "--store", here]) == 2
    assert said.lower() in capsys.readouterr().err.lower()


def test_an_archive_larger_than_the_disk_is_refused(
    full: Shelf, tmp_path: Path, capsys: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    from didact.cli import carry

    file = str(tmp_path / "runs.tar")
    assert main(["runs", "export", "-o", file, "--store", str(full.store.root)]) == 0
    usage = carry.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(carry.shutil, "disk_usage", lambda _: usage._replace(free=100))
    assert main(["runs", "import", file, "--store", str(tmp_path / "two")]) == 1
    assert "0.00 MB are free" in capsys.readouterr().err and not list((tmp_path / "two" / "runs").iterdir())


def test_a_run_that_is_damaged_where_no_list_reads_is_refused_by_an_export(
    full: Shelf, tmp_path: Path, capsys: Read
) -> None:
    """Its weights are read when they are packed."""
    weights = full.folder(full.loner) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    file = tmp_path / "a.tar"
    assert main(["runs", "export", full.loner.digest, "-o", str(file), "--store", str(full.store.root)]) == 1
    said = f"didact: {weights} is not what was written; 'didact runs gc --verify' shows which runs of a store are damaged\n"
    assert capsys.readouterr().err == said
    assert not file.exists()
