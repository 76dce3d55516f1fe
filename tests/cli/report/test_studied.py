"""``didact report`` of studies: those that are named, and those that the commands in a store's Records name."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.papers import sftn
from didact.runs.run import Run
from didact.store.store import Store
from support.reported import Elements, ended, metrics


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


def headings(path: Path, tag: str = "h2") -> list[str]:
    return [text for name, text in Elements(path.read_text()).texts if name == tag]


def test_a_store_of_studies_has_their_tables_and_verdicts(both: list[str], store: Store, tmp_path: Path) -> None:
    at = ["--store", str(store.root), "--look", "0", "-o"]
    assert main(["report", *at, str(tmp_path / "whole.html")]) == 0
    known = headings(tmp_path / "whole.html")
    assert known[:4] == ["Study crd", "Published figures of crd", "Study simkd", "Results"]  # of simkd are single cells
    shown = (tmp_path / "whole.html").read_text()
    assert shown.count("of those that are asked for the figures stand beside ours.</p>") == 1
    compared = [title for title in headings(tmp_path / "whole.html", "h3") if "compared with the published figures" in title]
    assert len(compared) == 2 and compared[0].startswith("CRD") and compared[1].startswith("SimKD")
    cells = [text for tag, text in Elements((tmp_path / "whole.html").read_text()).texts if tag == "td"]
    assert {"agrees", "75.43"} <= set(cells)  # a verdict, and a published figure

    words = [word for line in both for word in shlex.split(line)]
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
        ("didact study crd --pairs timm:resnet18/resnet8,evil_report:made/resnet8", "built in ('evil_report:made')"),
        ("didact study gtn --students timm:resnet18,evil_report:made", "built in ('evil_report:made')"),
        ("didact study crd --pairs hf:evil/resnet8", "names code that is not built in ('hf:evil')"),
        ("didact study crd-evil_report.py", "the tables of 'crd-evil_report.py' are left out"),
        ("didact study crd-evil_report:made", "the tables of 'crd-evil_report:made' are left out"),
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
    for name in ("evil_report.py", "crd-evil_report.py"):
        (tmp_path / name).write_text("raise SystemExit('a Record has chosen what runs')")
    monkeypatch.chdir(tmp_path)
    ended(store, tiny("ce"), metrics(60.0), command=command)
    assert main(["report", "--store", str(store.root), "--look", "0", "-o", str(tmp_path / "r.html")]) == 0
    assert "evil_report" not in sys.modules
    said = capsys.readouterr().err
    assert told in said if told else "study" not in said
    assert headings(tmp_path / "r.html")[0] == "Results"
