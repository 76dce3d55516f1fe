"""The SFTN paper's studies: which runs they ask for, what their tables say, what they refuse, and the published figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from didact.cli.main import main
from didact.papers import sftn
from didact.papers.sftn_settings import BRANCHES, METHODS, PAIRS
from didact.papers.sftn_tables import PUBLISHED
from didact.request.plan import plan
from didact.runs.run import Run
from didact.spec import SpecError

QUICK = ["--scale", "digits", "--data.per_class", "2", "--epochs", "2", "--seeds", "1", "--precision", "fp32"]
SMALL: dict[str, Any] = {"data": sftn.SCALES["small"]["data"], "recipe": sftn.SCALES["small"]["recipe"], "seeds": 2}


def cell(table: str, row: str, column: int = 0, **settings: Any) -> tuple[Run, ...]:
    (grid, *_) = sftn.study({"table": table, **settings}).grids
    return grid.rows[row][grid.columns[column]]


@pytest.mark.parametrize(
    ("row", "request_"),
    [
        ("alone", {"method": "ce"}),
        ("standard", {"method": "kd", "teacher": "resnet20"}),
        ("DML", {"method": "dml", "peers": {"net": "resnet20"}}),
        ("KDCL", {"method": {"name": "kdcl", "temperature": 1}, "peers": {"net": "resnet20"}}),
        ("RCO", {"method": "kd", "teacher": "resnet20", "route": {"name": "equal", "anchors": 5}}),
        ("SFTN", {"method": "kd", "teacher": {"net": "resnet20", "method": "sftn"}}),
    ],
)
def test_the_runs_of_table_4_are_those_of_plain_requests(row: str, request_: dict[str, Any]) -> None:
    runs = cell("4", row, kdcl={"temperature": 1}, route={"anchors": 5})
    assert [run.digest for run in runs] == [run.digest for run in plan({**SMALL, "net": "resnet8", **request_})]
    assert [run.seed for run in runs] == [0, 1]


def test_four_times_as_long_from_the_same_teacher() -> None:
    for row, other in (("RCO-4", "RCO"), ("SFTN-4", "SFTN")):
        (run, *_), (short, *_) = cell("4", row, long=True), cell("4", other, long=True)
        assert run.teacher is not None and short.teacher is not None
        assert (run.recipe.epochs, run.teacher.recipe.epochs) == (160, 40)
        assert run.teacher.digest == short.teacher.digest
        assert (run.recipe.batch_size, run.data) == (short.recipe.batch_size, short.data)
    longer = cell("4", "RCO-4", long=True, scale="paper", recipe={"epochs": 10}, teacher={"recipe": {"epochs": 12}})[0]
    assert (longer.recipe.epochs, longer.teacher and longer.teacher.recipe.epochs) == (40, 12)
    assert longer.anchors == (3, 6, 9, 12)
    assert "RCO-4" not in sftn.study({}).grids[0].rows


def test_what_tables_5_6_and_9_vary() -> None:
    for table, field, rows in (("5", "temperature", {"tau 1": 1, "tau 20": 20}), ("6", "kl_weight", {"lambda 10": 10})):
        for row, value in rows.items():
            teacher = cell(table, row)[0].teacher
            assert teacher is not None and getattr(teacher.method, field) == value
        assert cell(table, "standard")[0].teacher == cell("4", "standard")[0].teacher
    assert cell("5", "tau 1")[0].teacher == cell("6", "lambda 1")[0].teacher  # as the paper's figures say
    for grid, (pair, nets) in zip(sftn.study({"table": 9, "scale": "paper"}).grids, BRANCHES.items(), strict=True):
        assert grid.facts["pair"] == pair and list(grid.rows) == ["teacher", "alone", *METHODS["9"].split(",")]
        students = [getattr(runs[0].teacher.method, "student", None) for runs in grid.rows["kd"].values()]  # type: ignore[union-attr]
        assert tuple(students) == nets
        assert {runs[0].net for runs in grid.rows["kd"].values()} == {pair.partition("/")[2]}


def test_the_papers_scale_has_its_pairs_methods_and_rates() -> None:
    for table, pairs in PAIRS.items():
        data = {"data": "digits"} if table == "3" else {}  # ImageNet is a folder of the user's
        made = sftn.study({"table": table, "scale": "paper", "seeds": 1, **data})
        columns = {f"{run.teacher.net}/{run.net}" for run in made.runs if run.teacher}
        assert columns == set(pairs), table
        if table == "3":
            assert {(run.recipe.learning_rate, run.recipe.epochs) for run in made.runs} == {(0.1, 100)}
            continue
        rates = {
            (run.net.startswith(("shuffle", "mobile")), run.recipe.learning_rate, run.recipe.epochs) for run in made.runs
        }
        assert rates <= {(True, 0.01, 240), (False, 0.05, 240), (True, 0.01, 960), (False, 0.05, 960)}
        if table in METHODS:
            rows = [row for row in made.grids[0].rows if row not in ("teacher", "alone")]
            assert rows == METHODS[table].split(",")


def test_figure_3_has_the_pairs_of_tables_1_and_2_once() -> None:
    made = sftn.study({"table": "fig3", "scale": "paper", "seeds": 1, "method": "kd"})
    assert [grid.facts["pair"] for grid in made.grids] == [*PAIRS["1"], *PAIRS["2"]]
    (own,) = sftn.study({"table": "fig3"}).grids
    assert own.title.startswith("Table 1 on")


def test_amounts_are_compared_only_where_all_is_the_papers() -> None:
    for more, same in (({}, True), ({"sftn": {"kl_weight": 1.0}}, False), ({"epochs": 9}, False), ({"seeds": 5}, True)):
        published = sftn.study({"table": "4", "scale": "paper", **more}).grids[0].measures[0].published
        assert published is not None and published.same is same


def test_tables_share_their_runs() -> None:
    each = [sftn.study({"table": table}) for table in ("4", "7", "8")]
    together = sftn.study({"table": "4,8,7"})
    assert {run.digest for run in together.runs} == {run.digest for one in each for run in one.runs}
    assert len(together.runs) == len({run.digest for run in together.runs})
    assert [sheet.title for sheet in together.published] == ["SFTN, Table 4"] + [
        f"SFTN, Table {n} (resnet32x4/shufflenet_v2)" for n in (8, 7)
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tabel": 4}, "tabel: no such setting; did you mean 'table'"),
        ({"temperature": 4}, "temperature: no such setting; did you mean 'temperatures'"),
        ({"table": "4,10"}, r"table: unknown '10'; available: 1, 2, 3, 4, 5, 6, 7, 8, 9, fig4, fig3, fig5"),
        ({"scale": "papers"}, "did you mean 'paper'"),
        ({"pairs": "resnet20-resnet8"}, "expected teacher/student, e.g. resnet20/resnet8, found 'resnet20-resnet8'"),
        ({"pairs": "resnet20/resnet9"}, "unknown network 'resnet9'"),
        ({"teacher": "resnet20"}, "teacher: its network comes from pairs"),
        ({"teacher": {"method": "gtn"}}, "teacher: its network comes from pairs"),
        ({"sftn": {"kl_wight": 1}}, r"^sftn\.kl_wight: no such setting; did you mean 'kl_weight'"),
        ({"table": 9, "branches": "resnet8"}, r"branches: expected three networks .* found \['resnet8'\]"),
        ({"table": 9, "scale": "paper", "pairs": "resnet20/resnet8"}, "branches: expected three networks"),
        ({"dml": {"alpha": 1}}, r"^dml\.alpha: no such setting"),
        ({"table": 9, "branches": "resnet8,resnet9,resnet20"}, "^branches: unknown network 'resnet9'"),
        ({"table": 7, "transfer": {"fraction": 2}}, "transfer.fraction"),
        ({"table": 7, "transfer": "stl11"}, "transfer.*stl10"),
        ({"table": "1,4", "scale": "paper", "stands_for": "resnet50/vgg8"}, "^stands_for: each pair here has published"),
        ({"table": 8, "stands_for": "resnet32x4/shufflenet_v2"}, "^stands_for: .* or there is only one to stand for"),
        ({"table": "fig4,fig5", "stands_for": "resnet50/vgg8"}, "^stands_for: .* or none at all"),
        ({"table": "4", "stands_for": "resnet20/resnet8"}, "^stands_for: table 4 has no pair 'resnet20/resnet8'; it has"),
        ({"table": 8, "method": "kdd"}, "unknown method 'kdd'"),
        ({"table": 8, "long": True}, "^long: only table 4 uses it; write table=4, or leave long out"),
        ({"table": 8, "temperatures": [1]}, "^temperatures: only table 5 uses it"),
        ({"table": 4, "long": "x"}, "^long: expected true or false .found 'x'"),
        ({"table": 5, "temperatures": "x"}, "^temperatures: expected a list"),
        ({"table": 5, "temperatures": []}, "^temperatures: expected a list that is not empty"),
        ({"table": 5, "temperatures": [-1]}, r"^temperatures\.0: expected 1e-12 or more"),
        ({"table": 6, "weights": "x"}, "^weights: expected a list"),
        ({"table": 4, "method": "kd"}, "^method: only tables 1, 2, 3, 7, 8, 9 and fig3 use it; write table=1"),
        ({"table": 9, "branches": 5}, "^branches: expected a name, or names separated by commas, found 5"),
        ({"table": 9, "branches": None}, "^branches: expected three networks"),
        ({"pairs": 5}, "^pairs: expected a name, or names separated by commas, found 5"),
        ({"pairs": []}, "^pairs: expected a name"),
        ({"sftn": 5}, r"^sftn: expected a name, or settings such as sftn\.name; found 5"),
        ({"sftn": "kd"}, "^sftn: expected settings of the method sftn.* found 'kd'"),
        ({"dml": 5}, "^dml: expected a name, or settings"),
        ({"kdcl": 5}, "^kdcl: expected a name, or settings"),
        ({"route": 5}, "^route: expected a name, or settings"),
        ({"epochs": 3}, r"^epochs: the row RCO of Table 4 .* 3 epochs; write --epochs 4 or more, or --route.anchors 3$"),
        ({"epochs": 1}, r"^epochs: the row RCO of Table 4 .* has 1 epoch; write --epochs 4 or more$"),
        ({"table": 7, "transfer": 5}, "^transfer: expected a name, or settings"),
        ({"data": 5}, "^data: expected a name, or settings such as data.name; found 5"),
        ({"scale": []}, r"^scale: unknown \[\]"),
        ({"table": 5, "sftn": {"temperature": 3}}, r"^sftn\.temperature: the study sets it itself; write temperatures="),
        ({"table": 5, "sftn": {"kl_weight": 3}}, r"^sftn\.kl_weight: the study sets it itself; write table=6 and weights="),
        ({"table": "5,6", "sftn": {"kl_weight": 3}}, r"^sftn\.kl_weight: the study sets it itself"),
        ({"table": 6, "sftn": {"kl_weight": -1}}, r"^sftn\.kl_weight: the study sets it itself; write weights="),
        ({"table": 9, "sftn": {"student": "resnet8"}}, r"^sftn\.student: the study sets it itself; write branches="),
    ],
)
def test_misuse(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        sftn.study(settings)


def test_what_cannot_be_probed_is_refused_before_any_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "sftn", *QUICK, "--table", "7", "--store", str(tmp_path), "--device", "cpu"]) == 2
    assert "takes images of 1 channel" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.usefixtures("few_digits")
def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "sftn", *QUICK, "--store", str(tmp_path / "s"), "--device", "cpu", "--pairs", "resnet8/resnet8"]
    words += ["--method", "kd", "--long", "false", "--route.anchors", "2", "--table", "4,7,8", "--transfer", "digits"]
    assert main([*words, "--picture", str(tmp_path / "tables.png")]) == 0
    shown = capsys.readouterr()
    assert "RCO" in shown.out and "SFTN, Table 8" in shown.out
    assert (tmp_path / "tables.png").stat().st_size > 10_000
    assert main([*words, "--json"]) == 0
    again = capsys.readouterr()
    assert "training" not in again.err  # asked again: nothing is trained
    told = json.loads(again.out)["tables"]
    four, there, transfer, kl, _, cka, _ = (one["figures"] for one in told)
    assert there["DML"]["resnet8/resnet8"]["published_difference"] == pytest.approx(74.34 - 72.38)
    assert "resnet8/resnet8 stands for the paper's resnet32x4/resnet8x4." in told[1]["note"]
    assert set(four) == {"teacher", "SFTN teacher", "alone", "standard", "DML", "KDCL", "RCO", "SFTN"}
    assert set(transfer) == {"teacher", "alone", "kd"} and transfer["alone"]["standard"] == transfer["alone"]["SFTN"]
    assert set(kl) == set(cka) == {"kd"}
    assert 0 < cka["kd"]["SFTN"]["mean"] <= 1
    four_alone = [word for word in words[:-4] if word not in ("--method", "kd")]
    assert main([*four_alone, "--table", "4", "--format", "markdown"]) == 0
    rows = dict(re.findall(r"^\| ([\w ]+) \| (.*) \|$", capsys.readouterr().out.partition(", compared with")[0], re.M))
    alone, dml = four["alone"]["resnet8/resnet8"]["mean"], four["DML"]["resnet8/resnet8"]["mean"]
    assert rows["DML"] == f"{dml:.2f} ({dml - alone:+.2f})"
    assert rows["teacher"] == f"{four['teacher']['resnet8/resnet8']['mean']:.2f}"  # compared with nothing


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"[-+]?\d+\.?\d*", text)]


def test_the_published_tables_agree_with_themselves() -> None:
    for sheet in PUBLISHED.values():
        assert {len(row) for row in sheet.rows} == {len(sheet.columns)}, sheet.title
    main_tables: dict[str, dict[str, float]] = {}
    for table in ("1", "2"):
        for row, *figures in PUBLISHED[table].rows:
            for column, figure in zip(PUBLISHED[table].columns[1:], figures, strict=True):
                if figure:
                    main_tables.setdefault(row, {})[column] = float(figure)
    four = {row: dict(zip(PAIRS["4"], map(numbers, cells), strict=True)) for row, *cells in PUBLISHED["4"].rows}
    for pair in PAIRS["4"]:
        assert four["alone"][pair][0] == main_tables["alone"][f"{pair} standard"]
        for row, how in (("standard", "standard"), ("SFTN", "SFTN")):
            student, gain = four[row][pair]
            assert student == main_tables["kd"][f"{pair} {how}"]
            assert student - four["alone"][pair][0] == pytest.approx(gain, abs=0.011)
    for table in ("7", "8"):
        rows = {row: [numbers(cell) for cell in cells] for row, *cells in PUBLISHED[table].rows}
        for column, (mean, *_) in enumerate(rows.pop("mean")):
            values = [cells[column][0] for row, cells in rows.items() if row not in ("teacher", "alone")]
            assert fmean(values) == pytest.approx(mean, abs=0.011 + 0.001 * (table == "8")), (table, column)
    five, six = (PUBLISHED[table].rows for table in ("5", "6"))
    assert five[0][1:] == six[1][1:]
