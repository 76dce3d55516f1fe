"""``didact report``: what it writes, and what it refuses before any work."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.papers import sftn
from didact.papers.contract import find
from didact.report.page import library
from didact.request.tokens import parse
from didact.runs.run import Run, everything
from didact.store.store import Store
from support.reported import Elements, begun, ended, metrics

pytest.importorskip("vl_convert", reason="the extra [report] is not installed")


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to make the plotting library's script."""
    monkeypatch.setattr(library, "script", lambda: "window.vegaEmbed = null;")


@pytest.fixture
def two(tiny: Callable[..., Run], store: Store) -> list[Run]:
    """Two students without a teacher, finished."""
    runs = [tiny("ce", seed=seed) for seed in range(2)]
    for run in runs:
        ended(store, run, metrics(60.0 + run.seed), command="didact train --net resnet8 <b>")
    return runs


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


def test_a_study(store: Store, tmp_path: Path) -> None:
    settings = {"scale": "digits", "table": 4, "seeds": 2, "long": False}
    runs = sftn.study(settings).runs
    for run in runs:
        if run.teacher is None and not run.peers:
            ended(store, run, metrics(60.0 + run.seed))
    words = [word for key, value in settings.items() for word in (f"--{key}", str(value).lower())]
    assert main(["report", "sftn", *words, "--store", str(store.root), "--look", "0", "-o", str(tmp_path / "s.html")]) == 0
    headings = [text for tag, text in Elements((tmp_path / "s.html").read_text()).texts if tag == "h2"]
    assert headings[:2] == ["Study", "Published figures"] and "Curves over training" in headings


PAIR = "resnet14/resnet8"
CRD = "crd --scale digits --method kd,at --seeds 2"
SIMKD = "simkd --scale digits --pairs resnet14/resnet8 --method 'plain kl' --only rate=0.01 --seeds 2"


@pytest.fixture
def studied(store: Store) -> list[str]:
    """The commands of two studies, whose runs are finished."""
    for number, line in enumerate((CRD, SIMKD)):
        name, *words = shlex.split(line)
        grids = find(name)(parse(words), "cpu").grids
        cells = [cell for grid in grids for row in grid.rows.values() for at, cell in row.items() if at in ("0.01", PAIR)]
        for run in everything([run for cell in cells for run in cell]):
            if store.opened(run) is None:
                ended(
                    store,
                    run,
                    metrics(60.0 + number + 2 * run.seed),
                    command=f"didact study {line} --store s --test-every 9",
                )
    return [CRD, SIMKD]


def headings(path: Path, tag: str = "h2") -> list[str]:
    return [text for name, text in Elements(path.read_text()).texts if name == tag]


def test_a_store_of_studies_has_their_tables_and_verdicts(studied: list[str], store: Store, tmp_path: Path) -> None:
    at = ["--store", str(store.root), "--look", "0", "-o"]
    assert main(["report", *at, str(tmp_path / "whole.html")]) == 0
    known = headings(tmp_path / "whole.html")
    assert known[:4] == ["Study crd", "Published figures of crd", "Study simkd", "Published figures of simkd"]
    compared = [title for title in headings(tmp_path / "whole.html", "h3") if "compared with the published figures" in title]
    assert len(compared) == 2 and compared[0].startswith("CRD") and compared[1].startswith("SimKD")
    cells = [text for tag, text in Elements((tmp_path / "whole.html").read_text()).texts if tag == "td"]
    assert {"agrees", "75.43"} <= set(cells)  # a verdict, and a published figure

    words = [word for line in studied for word in shlex.split(line)]
    assert main(["report", *words, *at, str(tmp_path / "both.html")]) == 0
    assert headings(tmp_path / "both.html")[:4] == known[:4]
    assert headings(tmp_path / "both.html", "h1") == ["CRD's benchmark; SimKD's variants"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("didact study mine.py --seeds 2", "the tables of 'mine.py' are left out"),
        ("didact study crd --scale none", "no tables of the study in"),
        ("didact study crd --store", "no tables of the study in"),
        ("didact study 'crd", "no tables of the study in"),
        ("didact study crd --scale small --data evil_report:made", "names code that is not built in ('evil_report:made')"),
        ("didact study crd --scale small --method kd,evil_report:made", "names code that is not built in"),
        ("didact study crd --scale small --pairs evil_report:made/resnet8", "names code that is not built in"),
        ("didact study crd --scale small --data folder:/etc", "names code that is not built in"),
        ("didact study crd --scale small --teacher.weights /etc/passwd", "names a file of weights"),
        ("didact study crd --scale small --seeds 1000000000", "no tables of the study in"),
        ("python -m didact study crd --scale digits", ""),  # none of its runs is there
        ("rm -rf study crd", ""),
    ],
)
def test_commands_in_records_are_only_data(
    command: str,
    told: str,
    tiny: Callable[..., Run],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_report.py").write_text("raise SystemExit('a Record has chosen what runs')")
    ended(store, tiny("ce"), metrics(60.0), command=command)
    assert main(["report", "--store", str(store.root), "--look", "0", "-o", str(tmp_path / "r.html")]) == 0
    assert "evil_report" not in sys.modules
    said = capsys.readouterr().err
    assert told in said if told else "study" not in said
    assert headings(tmp_path / "r.html")[0] == "Results"


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


def test_an_empty_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store" / "runs").mkdir(parents=True)
    assert main(["report", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "r.html")]) == 2
    assert "no finished run in" in capsys.readouterr().err


def test_the_live_page(
    two: list[Run],
    tiny: Callable[..., Run],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun(store, tiny("ce", seed=2), metrics(40.0, 1))
    folder = begun(store, tiny("ce", seed=3), metrics(30.0, 1))
    (folder / "spec.json").write_text('{"half":')  # as a kill may leave it
    pages: list[bytes] = []

    def once(self: ThreadingHTTPServer) -> None:
        pages.append(self.RequestHandlerClass.shown.page())  # type: ignore[union-attr]
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", once)
    assert main(["report", "--serve", "--store", str(store.root)]) == 0
    assert "is shown at http://127.0.0.1:" in capsys.readouterr().out
    page = Elements(pages[0].decode())
    texts = [text for _, text in page.texts]
    assert any(text.startswith("2 finished runs, 1 unfinished;") for text in texts)
    assert "alone (ce), seed 2 (epoch 1 of 2)" in texts
