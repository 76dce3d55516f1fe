"""Studies as values: their runs are those of plain requests, the teacher keeps its recipe, and what
cannot work is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.papers import Benchmark, crd, simkd
from didact.papers.contract import find
from didact.request.plan import plan
from didact.spec import SpecError
from didact.store.store import Store
from didact.tables.grids import possible

PAPER = {"data": {"name": "cifar100"}, "recipe": {"name": "paper"}, "precision": "fp32"}
TINY: dict[str, Any] = {"data": {"name": "digits", "per_class": 2}, "recipe": {"name": "short", "epochs": 1}, "seeds": 2}


def test_crds_runs_are_those_of_plain_requests() -> None:
    (every,) = crd.study({"scale": "paper", "precision": "fp32", "seeds": 1, "pairs": "vgg13/vgg8"}).grids
    assert list(every.rows) == ["teacher", "alone", *crd.METHODS] and len(crd.METHODS) == 14
    (grid,) = crd.study(
        {"scale": "paper", "precision": "fp32", "seeds": 2, "teacher_seeds": 2, "method": "crd+kd,fsp"}
    ).grids
    assert len(grid.columns) == 13
    for row in ("kd", "crd+kd", "fsp"):
        runs = grid.rows[row]["vgg13/mobilenet_v2"]
        wanted = [
            run
            for seed in (0, 1)
            for run in plan(
                {**PAPER, "net": "mobilenet_v2", "method": row, "seeds": 2, "teacher": {"net": "vgg13", "seed": seed}}
            )
        ]
        assert [run.digest for run in runs] == [run.digest for run in wanted]
    assert [run.recipe.learning_rate for run in wanted] == [0.01] * 4  # MobileNetV2's, and 0.05 of its teacher
    assert {run.teacher.recipe.learning_rate for run in wanted if run.teacher} == {0.05}
    assert [run.seed for run in grid.rows["teacher"]["vgg13/vgg8"]] == [0, 1]
    assert grid.measures[0].published is not None and grid.measures[0].published.same
    elsewhere = crd.study({"scale": "paper", "epochs": 10, "precision": "fp32"}).grids[0].measures[0].published
    assert elsewhere is not None and not elsewhere.same


def test_published_figures_of_crd_agree_with_themselves() -> None:
    for sheet in crd.SHEETS:
        assert {len(row) for row in sheet.rows} == {len(sheet.columns)}
    figures = {place: figure.value for place, figure in crd.study.published.figures.items()}  # type: ignore[union-attr]
    assert len(figures) == 16 * 13 - 7  # FSP has six figures
    for row, nets in (("teacher", 0), ("alone", 1)):  # a network has the same accuracy in every pair
        known: dict[str, float] = {}
        for pair in (*crd.SAME, *crd.DIFFERENT):
            value = figures[row, pair]
            assert known.setdefault(pair.split("/")[nets], value) == value
    assert all(figures["crd", pair] > figures["kd", pair] for pair in (*crd.SAME, *crd.DIFFERENT))


def test_the_teacher_of_simkd_keeps_its_rate() -> None:
    made = simkd.study({"scale": "paper", "precision": "fp32", "seeds": 1}, "cpu")
    (grid,) = made.grids
    assert grid.columns == simkd.RATES and len(grid.rows) == 1 + 8
    assert {run.recipe.learning_rate for run in made.runs} == {0.001, 0.005, 0.01, 0.05, 0.1}
    (teacher,) = {run.teacher.digest: run.teacher for run in made.runs if run.teacher}.values()
    (plain,) = plan({**PAPER, "net": "resnet32x4", "method": "ce"})
    assert teacher.digest == plain.digest
    (run,) = grid.rows["two projectors kl"]["0.01"]
    wanted = {"name": "simkd", "projectors": "two", "bias": True, "kind": "kl"}
    request = {**PAPER, "net": "mobilenet_v2_x2", "teacher": "resnet32x4", "method": wanted}
    assert run.digest == plan(request)[0].digest  # 0.01 is the rate of MobileNetV2 anyway
    published = grid.measures[0].published
    assert published is not None and published.same and len(published.figures) == 7
    assert {row for row, _ in published.figures} <= set(grid.rows)


def test_methods_that_are_no_rows_become_rows() -> None:
    (grid,) = crd.study({"method": "crd,dist"}).grids
    assert list(grid.rows) == ["teacher", "kd", "crd", "dist"]
    (grid,) = crd.study({"method": {"name": "kd", "temperature": 2.0}}).grids
    assert list(grid.rows) == ["teacher", "kd", "kd (temperature=2.0)"]  # which the published kd is not compared with


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": "resnet8"}, "pairs: expected teacher/student"),
        ({"method": "kdd"}, "unknown method 'kdd'"),
        ({"base": "kdd"}, "base: no row 'kdd'; did you mean 'kd'"),
        ({"stands_for": "resnet8/resnet8"}, "stands_for: no published pair 'resnet8/resnet8'"),
        (
            {"pairs": "vgg13/vgg8", "stands_for": "vgg13/vgg8"},
            "^stands_for: each pair here has published figures of its own",
        ),
        (
            {"method": "alone", "base": "alone", "teacher": {"seed": 1}},
            "^teacher: no row of this study has a teacher; leave",
        ),
        ({"method": "alone", "base": "alone", "teacher_seeds": 2}, "^teacher_seeds: no row of this study has a teacher"),
        ({"teacher_seeds": 0}, "^teacher_seeds: expected 1 or more"),
        ({"teacher_seeds": 2, "teacher": {"seed": 1}}, "teacher_seeds: write teacher_seeds=3 .how many. or teacher.seed=3"),
        ({"teacher_seeds": 2, "teacher": {"seeds": 2}}, "teacher_seeds: the same as teacher.seeds; write one of them"),
        ({"teacher": {"seeds": 2, "seed": 1}}, "teacher.seeds: write teacher.seeds=3 .how many. or teacher.seed=3"),
        ({"scale": "big"}, "scale: unknown 'big'"),
        ({"only": "method=at", "method": "kd"}, "only: method=at is in no table here"),
        ({"table": 4}, "table: no such setting"),
        ({"lr": 0.1}, "^lr: no such setting; did you mean 'recipe.learning_rate'"),
        ({"batchsize": 8}, "^batchsize: no such setting; did you mean 'recipe.batch_size'"),
        ({"per_class": 5}, "^per_class: no such setting; did you mean 'data.per_class'"),
        ({"seed": 5}, "^seed: no such setting; did you mean 'seeds'"),
    ],
)
def test_misuse(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        crd.study(settings)


def test_a_pair_stands_for_one_of_several_published_ones_or_for_none() -> None:
    given = {"pairs": "resnet20/resnet8", "stands_for": "vgg13/vgg8"}
    published = crd.study(given).grids[0].measures[0].published
    assert published is not None and published.stand_ins == "resnet20/resnet8 stands for vgg13/vgg8."
    for study in (simkd.study, own(scales={"small": TINY})):  # one pair with columns; no figures at all
        with pytest.raises(SpecError, match=r"^stands_for: each pair here has .* or none at all, or there is only one"):
            study({"stands_for": "vgg13/vgg8"})


def test_what_cannot_work_is_left_out(store: Store) -> None:
    study = Benchmark(
        title="mine",
        pairs="resnet8/resnet8,vgg8/resnet8",
        rows={"alone": {"method": "ce", "teacher": None}, "kd": {"method": "kd"}},
        base="alone",
        scales={"tiny": {**TINY, "data": {**TINY["data"], "size": 2}}},
    )
    runs = study({"precision": "fp32"}).runs
    kept, refused = possible(runs, store)
    assert len(kept) == 4 and len(runs) == 7 and len(refused) == 1 and "vgg8" in refused[0]
    with pytest.raises(SpecError, match="vgg8"):
        possible([run for run in runs if run not in kept], store)


ROWS: dict[str, Any] = {"alone": {"method": "ce", "teacher": None}, "kd": {"method": "kd"}}


def own(**changed: Any) -> Benchmark:
    scales = {"tiny": {"data": "digits", "recipe": "short", "seeds": 2}}
    return Benchmark(
        **{"title": "mine", "pairs": "resnet20/resnet8", "rows": ROWS, "base": "alone", "scales": scales, **changed}
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scales": {}}, "^scales: expected at least one"),
        ({"scales": {"tiny": {"sedes": 3}}}, "^scales.tiny.sedes: no such setting; did you mean 'seeds'"),
        ({"scales": {"tiny": "digits"}}, "^scales.tiny: expected settings"),
        ({"rows": {}}, "^rows: expected at least one"),
        ({"rows": {**ROWS, "kd": "kd"}}, "^rows.kd: expected settings, such as {'method': 'kd'}; found 'kd'"),
        ({"rows": {**ROWS, "kd": {"methd": "kd"}}}, "^methd: no such setting; did you mean 'method'"),
        ({"rows": {**ROWS, "kd": {"method": "kd,at+kd"}}}, "^rows.kd: a row has one method and one teacher, found 2"),
        ({"rows": {**ROWS, "x": {"teacher": {"method": "standard,sftn"}}}}, "^rows.x: a row has one method and one teacher"),
        ({"rows": {**ROWS, "kd": {"net": "resnet14"}}}, "^rows.kd.net: networks come from pairs"),
        ({"rows": {**ROWS, "kd": {"teacher": {"net": "resnet14"}}}}, "^rows.kd.teacher: .* its network comes from pairs"),
        ({"rows": {**ROWS, "kd": {"teacher": "resnet14"}}}, "^rows.kd.teacher: expected settings"),
        ({"rows": {**ROWS, "teacher": {"method": "kd"}}}, "^rows.teacher: this row is the teachers'"),
        ({"columns": {"a": {"net": "resnet14"}}}, "^columns.a.net: networks come from pairs"),
        ({"columns": {"a": {"method": {"temperature": 2}}}}, "^ce.temperature: no such setting"),
    ],
)
def test_misuse_of_a_value(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        own(**changed)({})


def test_columns_are_laid_under_rows_and_leave_the_teacher_as_it_is() -> None:
    """A row's method by name keeps the column's settings of it; the teacher has no column's recipe,
    where the scale has none either."""
    study = own(
        rows={"kd": {"method": "kd"}, "other": {"method": "kd", "recipe": "paper"}},
        base="kd",
        columns={"1": {"method": {"temperature": 1}}, "2": {"method": {"temperature": 2}, "epochs": 3}},
        scales={"tiny": {"seeds": 1}},
    )
    (grid,) = study({"precision": "fp32"}).grids
    kd = [grid.rows["kd"][column][0] for column in ("1", "2")]
    assert [getattr(run.method, "temperature", None) for run in kd] == [1.0, 2.0]
    assert [run.recipe.epochs for run in kd] == [12, 3] and "(12, 3 epochs)" in grid.title
    other = grid.rows["other"]["1"][0]
    assert other.recipe.epochs == 240 and other.recipe.batch_size == 64
    (plain,) = plan({"net": "resnet20", "method": "ce", "precision": "fp32"})
    assert {run.teacher.digest for run in study({"precision": "fp32"}).runs if run.teacher} == {plain.digest}


def test_other_teachers_have_a_row_of_their_own() -> None:
    study = own(rows={**ROWS, "sftn": {"teacher": {"method": "sftn"}}, "again": {"method": "at+kd"}})
    (grid,) = study({}).grids
    assert list(grid.rows) == ["teacher", "teacher of sftn", "alone", "kd", "sftn", "again"]
    assert grid.plain == {"teacher", "teacher of sftn"}
    assert grid.rows["teacher of sftn"]["resnet20/resnet8"][0].label.startswith("resnet20.sftn")


MINE = """
from didact.papers import Benchmark
from didact.tables.published import Figure, Published

study = Benchmark(
    title="mine",
    pairs="resnet8/resnet8",
    rows={
        "alone": {"method": "ce", "teacher": None},
        "kd": {"method": "kd"},
        "bad": {"method": {"name": "kd", "alpha": 1e9}, "recipe": {"learning_rate": 1e9, "epochs": 4}},
    },
    base="alone",
    scales={"tiny": %r},
    published=Published("me", "by hand.", {("kd", "resnet8/resnet8"): Figure(20.0), ("alone", "resnet8/resnet8"): Figure(10.0)}),
)
number = 5


def broken(settings, device):
    raise KeyError("x")
"""


@pytest.mark.usefixtures("few_digits")
def test_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my_own_study.py"
    file.write_text(MINE % TINY)
    words = ["study", str(file), "--precision", "fp32", "--store", str(tmp_path / "store"), "--device", "cpu"]
    assert main([*words, "--plan", "--throughput", "10"]) == 0
    capsys.readouterr()
    assert main(words) == 1  # what fails is told, and the rest goes on
    shown = capsys.readouterr()
    assert "compared with the published figures" in shown.out and "training" in shown.err
    assert "FAILED resnet8.kd.s0 (" in " ".join(shown.err.split()) and "bad" not in shown.out
    assert len(list(tmp_path.glob("store/runs/*/record.json"))) == 4
    assert main([*words, "--format", "latex"]) == 1  # asked again: nothing is trained
    assert "training" not in capsys.readouterr().err
    assert main([*words, "--only", "method=kd"]) == 0
    capsys.readouterr()
    for name, message in (
        (f"{file}:nothing", "holds no 'nothing'"),
        (f"{file}:number", "holds no 'number'"),
        (f"{file}:broken", "fails when it is called with (settings, device): KeyError: 'x' (my_own_study.py:21)"),
        (str(tmp_path / "none.py"), "study: no file"),
    ):
        assert main(["study", name, "--store", str(tmp_path / "store")]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "my_empty_study.py").write_text("")
    with pytest.raises(SpecError, match=r"holds no 'study' for the study '.*'; write a function of \(settings, device\)"):
        find(str(tmp_path / "my_empty_study.py"))
    (tmp_path / "wrong.py").write_text("1 +")
    with pytest.raises(SpecError, match="fails while it is read: SyntaxError"):
        find(str(tmp_path / "wrong.py"))
