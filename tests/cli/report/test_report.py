"""``didact report``: what it writes, and what it refuses before any work."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.runs.run import Run
from didact.store.store import Store
from support.reported import Elements


def test_a_report(two: list[Run], store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "report.html"
    assert main(["report", "--store", str(store.root), "-o", str(path)]) == 0
    assert f"report of 2 finished runs: {path}" in capsys.readouterr().out
    page = Elements(path.read_text())
    assert [text for tag, text in page.texts if tag == "h2"] == [
        *("Results", "Curves over training", "Runs", "Commands, environment, checksums"),
    ]
    texts = [text for _, text in page.texts]
    assert (
        two[0].digest in texts
        and "60.50 ± 0.71" in texts
        and "didact train --net resnet8 <b>" in " ".join(" ".join(texts).split())
    )

    assert main(["report", "--store", str(store.root), "-o", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").read_bytes() == path.read_bytes()

    assert main(["report", two[1].digest[:6], "--store", str(store.root), "-o", str(tmp_path / "one.html")]) == 0
    one = (tmp_path / "one.html").read_text()
    assert two[1].digest in one and two[0].digest not in one


def test_figures(two: list[Run], store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["report", "--store", str(store.root), "-o", str(tmp_path / "r.html"), "--figures", str(tmp_path / "new")]
    assert main(asked) == 0
    assert "1 figure as SVG, PDF and PNG" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["curves-1.pdf", "curves-1.png", "curves-1.svg"]


def test_a_damaged_record_is_left_out_and_told(
    two: list[Run], store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store.folder(two[0]) / "metrics.jsonl").write_text("{}")
    assert main(["report", "--store", str(store.root), "-o", str(tmp_path / "r.html")]) == 0
    shown = capsys.readouterr()
    assert "report of 1 finished run:" in shown.out and "metrics.jsonl is not what was written" in shown.err


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["nobody"], "'nobody' fits no finished run in"),
        (["-o", "report.txt"], "the name of a file that ends in .html, found 'report.txt'"),
        (["-o", "."], "is a folder; name a file in it"),
        (["-o", "there.html"], "output: there.html exists; name another, or remove it"),
        (["--store", "nowhere"], "nowhere does not exist"),
        (["--figures", "store"], "figures: store is not empty; name another, or empty it"),
        (["--figures", "there.html"], "figures: there.html is no folder"),
        (["--wat", "3"], "unknown option '--wat'; a study's settings come after its name"),
        (["--port", "8000"], "port: is for --serve"),
        (
            ["--serve", "-o", "live.html"],
            "serve: shows the whole store as it is, measures and writes nothing; leave --output",
        ),
        (["--serve", "nobody"], "leave nobody out"),
        (["sftn", "--scale", "digits"], "no run of the study 'sftn' is finished in"),
        (["sftn", "--scale", "huge"], "scale"),
        (["-o", "there.html/in/report.html"], "nothing can be written in"),
    ],
)
def test_a_wrong_request_is_refused(
    two: list[Run],
    store: Store,
    tmp_path: Path,
    asked: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.html").write_text("mine")
    assert main(["report", *(["--store", str(store.root)] if "--store" not in asked else []), *asked]) == 2
    assert said in capsys.readouterr().err
    assert Path("there.html").read_text() == "mine" and sorted(os.listdir()) == ["store", "there.html"]


@pytest.mark.parametrize("asked", [["-o", "report.html"], ["--figures", "figures"]])
def test_a_folder_that_cannot_be_written_is_a_failure(
    two: list[Run],
    store: Store,
    tmp_path: Path,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def denied(**given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    assert main(["report", "--store", str(store.root), *asked]) == 1
    assert f"nothing can be written in {tmp_path}: Permission denied; name another place" in capsys.readouterr().err


def test_an_empty_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store" / "runs").mkdir(parents=True)
    assert main(["report", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "r.html")]) == 2
    assert "no finished run in" in capsys.readouterr().err
