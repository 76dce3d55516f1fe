"""``--only``: which cells it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.papers import crd, gtn, sftn, simkd
from didact.papers.only import left_out, parsed
from didact.spec import SpecError
from didact.store.store import Store


def test_values_may_hold_slashes() -> None:
    assert parsed("pair=resnet20/resnet8/method=kd, crd") == {"pair": ("resnet20/resnet8",), "method": ("kd", "crd")}
    assert parsed("method=kd") == {"method": ("kd",)}


@pytest.mark.parametrize("text", ["", "kd", "=kd", "method=", "method=kd/method=at", "method=kd,,at", 5, None, ["kd"]])
def test_what_is_no_choice(text: Any) -> None:
    with pytest.raises(SpecError, match="only: expected NAME=VALUE"):
        parsed(text)


@pytest.mark.parametrize(
    ("study", "settings", "message"),
    [
        (crd.study, {"only": "method=kdd"}, "only: method=kdd is in no table here; did you mean 'kd'"),
        (crd.study, {"only": "rate=0.1"}, "only: no table of this study has a 'rate'"),
        (simkd.study, {"only": "rate=0.2"}, "only: rate=0.2 is in no table here"),
        (sftn.study, {"only": "pair=resnet20/resnet9"}, "only: pair=resnet20/resnet9 is in no table here"),
        (sftn.study, {"table": "5,6", "only": "table=5/teacher=lambda 3"}, "only: no cell has all of"),
        (gtn.study, {"only": "student=s9"}, "only: student=s9 is in no table here"),
        (gtn.study, {"only": "pair=a/b"}, "only: no table of this study has a 'pair'"),
    ],
)
def test_what_no_table_has(study: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        study(settings, "cpu")


def test_only_those_runs_are_asked_for(store: Store) -> None:
    made = crd.study({"scale": "paper", "seeds": 2, "only": "pair=wrn_40_2/wrn_16_2,vgg13/vgg8/method=CRD"})
    assert {(run.net, run.method.name(), run.seed) for run in made.runs} == {
        (net, "crd", seed) for net in ("wrn_16_2", "vgg8") for seed in (0, 1)
    }
    (grid, *more) = simkd.study({"only": "rate=0.01/method=plain kl"}, "cpu").grids
    assert not more and {run.recipe.learning_rate for run in grid.runs} == {0.01} and len(grid.runs) == 3
    assert grid.tables(store, "cpu", print)[0].columns == ("", "0.01")  # columns without a cell are not shown
    every = sftn.study({"table": "4,8"})
    some = sftn.study({"table": "4,8", "only": "table=8/teacher=SFTN"})
    assert len(some.grids) == 1 and {run.digest for run in some.runs} < {run.digest for run in every.runs}
    one = gtn.study({"only": "student=s1,s2/teacher=generic"})
    assert len(one.runs) == 4 and {run.net for run in one.runs} == {one.students["s1"], one.students["s2"]}


@pytest.mark.usefixtures("few_digits")
def test_cells_that_are_not_asked_for_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark has 16 rows of 7 pairs, one empty, and 15 rows of 6."""
    line = "Left out: 2 tables of the paper with 201 cells; of those that are asked for the figures stand beside ours."
    assert left_out(crd.study.sheets) == line
    assert left_out(()) is None
    asked = ["study", "crd", "--scale", "digits", "--epochs", "1", "--seeds", "1", "--workers", "1", "--data.per_class", "6"]
    asked += ["--store", str(tmp_path / "store"), "--only", "method=kd"]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "70.67" in shown and "vgg13/vgg8" not in shown and len(shown.splitlines()) < 30
    assert f"{line} --published prints all.\n" in shown
    assert main([*asked, "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert "vgg13/vgg8" not in said.out and line in said.err
    assert main([*asked, "--published"]) == 0
    shown = capsys.readouterr().out
    assert "vgg13/vgg8" in shown and "Left out" not in shown
    assert main([*asked[:-2], "--published"]) == 2
