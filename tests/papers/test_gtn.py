"""The GTN study: which runs it asks for, its tables, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.nets.supernet import SPACES
from didact.papers import gtn
from didact.papers.gtn_tables import SHEETS
from didact.request.plan import plan
from didact.spec import SpecError
from didact.tables.table import Table

QUICK: dict[str, Any] = {
    "scale": "digits",
    "data": {"per_class": 2},
    "epochs": 1,
    "seeds": 1,
    "students": 2,
    "pool": ["basic-8-1x8-1x8", "basic-8-1x8-1x16", "basic-16-1x8-1x16"],
    "teacher": "resnet8",
    "precision": "fp32",
}


def test_every_student_learns_from_every_teacher() -> None:
    made = gtn.study({"method": "kd,at+kd", "seeds": 2})
    assert list(made.students.values()) == list(SPACES["tiny"].draw(4, 0))
    labels = [c.label for c in made.columns]
    assert labels == ["alone", "standard", "SCKD", "for s1", "for s2", "for s3", "for s4", "generic"]
    assert made.columns[made.baseline].label == "standard"
    assert made.methods == ["kd", "at+kd"]
    for column in made.columns:
        assert len(column.teachers) == (0 if column.label == "alone" else 1)
        for method, rows in column.runs.items():
            assert list(rows) == list(made.students.values()), (column.label, method)
            assert all(len(runs) == 2 and {run.seed for run in runs} == {0, 1} for runs in rows.values())
    # 4 students x 2 seeds: alone; 2 methods from 6 teachers; SCKD
    assert len(made.runs) == 8 * (1 + 2 * 6 + 1)
    special = {c.label: c.teachers[0].method for c in made.columns if c.label.startswith("for ")}
    assert {label: getattr(m, "student", None) for label, m in special.items()} == {
        f"for {label}": net for label, net in made.students.items()
    }


def test_methods_with_settings() -> None:
    made = gtn.study({"method": {"name": "at+kd", "beta": 10.0}})
    (label,) = made.methods
    assert {getattr(run.method, "beta", None) for run in made.columns[-1].runs[label][made.students["s1"]]} == {10.0}
    assert made.columns[0].runs[label]  # alone stands beside every method


def test_its_runs_are_those_of_plain_requests() -> None:
    made = gtn.study({"gtn": {"alpha": 0.5}, "teacher": {"net": "resnet14", "seeds": 2}})
    data, recipe = gtn.SCALES["small"]["data"], gtn.SCALES["small"]["recipe"]
    asked = {"net": made.students["s1"], "data": data, "recipe": recipe, "seeds": 2}
    generic = made.columns[-1].runs["kd"][made.students["s1"]]
    wanted = [
        run
        for seed in (0, 1)
        for run in plan(
            {**asked, "teacher": {"net": "resnet14", "seed": seed, "method": {"name": "gtn", "pool": "tiny", "alpha": 0.5}}}
        )
    ]
    assert [run.digest for run in generic] == [run.digest for run in wanted]
    assert len(made.columns[-1].teachers) == 2


def test_students_in_eight_bits_have_the_teachers_of_those_in_floats() -> None:
    floats = gtn.study({"scale": "digits", "precision": "fp32"})
    bits = gtn.study({"scale": "digits", "precision": "fp32", "recipe": {"bits": 8}})
    assert {run.recipe.bits for run in bits.runs} == {8} and len(bits.runs) == len(floats.runs)
    taught = [{run.teacher.digest for run in study.runs if run.teacher} for study in (floats, bits)]
    assert taught[0] == taught[1]


def test_settings_are_laid_over_the_scale() -> None:
    made = gtn.study({**QUICK, "students": "BASIC-8-1x8-1x8"})
    run = made.runs[0]
    assert (run.recipe.epochs, run.recipe.batch_size, run.data.per_class, run.data.name) == (1, 32, 2, "digits")
    assert made.students == {"s1": "basic-8-1x8-1x8"}
    assert made.columns[1].teachers[0].net == "resnet8"
    assert gtn.study({"scale": "paper"}).runs[0].recipe.epochs == 240
    assert (
        gtn.study({"scale": "digits", "data": "cifar100"}).runs[0].data.per_class is None
    )  # another data set starts afresh


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pol": "tiny"}, "pol: no such setting; did you mean 'pool'"),
        ({"scale": "smal"}, "scale: unknown 'smal'; did you mean 'small'"),
        ({"pool": "tinny"}, "'tinny' is neither a pool nor a network; did you mean 'tiny'"),
        ({"students": 2305}, "2305 different students requested from a pool of 2304"),
        ({"students": "basic-8-1x8-1x16-1x33"}, "the nearest student is basic-8-1x8-1x16-1x32"),
        ({"teacher": {"net": "resnet20", "hw": "sftn"}}, r"teacher\.hw: no such setting"),
        ({"gtn": {"alhpa": 1}}, r"^gtn\.alhpa: no such setting; did you mean 'alpha'"),
        ({"method": "kdd"}, "unknown method 'kdd'"),
        ({"students": 0}, "^students: expected 1 or more .found 0"),
        ({"students": -1}, "^students: expected 1 or more"),
        ({"students": 1.5}, "^students: expected a whole number .found 1.5"),
        ({"students": True}, "^students: expected a whole number .found true"),
        ({"draw": "x"}, "^draw: expected a whole number .found 'x'"),
        ({"draw": -1}, "^draw: expected 0 or more"),
        ({"pool": {}}, r"^pool\.kind: is missing"),
        ({"sckd": 5}, r"^sckd: expected a name, or settings such as sckd\.name; found 5"),
        ({"sftn": 5}, "^sftn: expected a name, or settings"),
        ({"gtn": []}, r"^gtn: expected settings of the method gtn, such as gtn\.SETTING; found \[\]"),
        ({"gtn": "kd"}, "^gtn: expected settings of the method gtn.* found 'kd'"),
        ({"teacher": 5}, r"^teacher: expected a name, or settings such as teacher\.net; found 5"),
        ({"scale": []}, r"^scale: unknown \[\]"),
        ({"teacher": {"method": "sftn"}}, r"^teacher\.method: the study sets it itself"),
        ({"teacher": {"seed": 1}}, r"^teacher\.seed: the study sets it itself; write teacher\.seeds="),
        ({"sftn": {"student": "resnet8"}}, r"^sftn\.student: the study sets it itself; write students="),
        ({"table": "memory", "seeds": 0}, "^seeds: the table of memory trains nothing and has no use for it; leave it out"),
        ({"table": "memory", "only": "student=s1"}, "^only: the table of memory trains nothing"),
        ({"table": "memory", "precision": "fp32"}, "^precision: the table of memory trains nothing and has no use for it"),
        ({"table": "memory", "epochs": 2}, "^epochs: the table of memory trains nothing"),
        ({"table": "memory", "data": {"per_class": 5}}, r"^data\.per_class: the table of memory trains nothing"),
        ({"table": "memory", "data": {"sizes": 5}}, r"^data\.sizes: no such setting; did you mean 'size'"),
        ({"table": "cost", "seeds": 2}, "^seeds: the table of cost trains no student and has no use for it; leave it out"),
        ({"table": "cost", "method": "kd"}, "^method: the table of cost trains no student"),
        ({"table": "cost", "sckd": {"alpha": 0.5}}, "^sckd: the table of cost trains no student"),
        ({"students": "resnet8,vgg8", "pool": "resnet8,vgg8", "draw": 1}, "^draw: it is the seed for drawing students"),
        ({"gtn": {"pool": "tiny"}}, r"^gtn\.pool: the study sets it itself; write pool="),
    ],
)
def test_misuse(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        gtn.study(settings)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "gtn", "--store", str(tmp_path), "--device", "cpu"]
    for key, value in QUICK.items():
        words += [f"--{key}", value if isinstance(value, str) else json.dumps(value)]
    picture = tmp_path / "study.png"
    assert main([*words, "--picture", str(picture)]) == 0
    shown = capsys.readouterr()
    assert "generic" in shown.out and "GTN poster" in shown.out and "s2: basic-" in shown.out
    assert picture.stat().st_size > 10_000
    assert main([*words, "--json"]) == 0  # asked again: nothing is trained
    again = capsys.readouterr()
    assert "training" not in again.err
    told = json.loads(again.out)
    accuracies, there, costs, several = told["tables"]
    assert set(there["figures"]["s2"]) == {"alone", "standard", "SCKD", "for s1", "for s2", "generic"}
    assert there["figures"]["s2"]["generic"]["published"] == 78.85
    assert set(told["students"]) == {"s1", "s2"}
    assert set(accuracies["figures"]["s1"]) == {"net", "alone", "standard", "SCKD", "for s1", "for s2", "generic"}
    assert set(costs["figures"]) == {"standard", "for s1", "for s2", "generic"}
    assert all(one["seconds"] > 0 and one["cpu_seconds"] > 0 for one in costs["figures"].values())
    assert several["figures"]["generic"] == costs["figures"]["generic"]
    assert main([*words, "--format", "markdown"]) == 0
    assert capsys.readouterr().out.count("| s2 |") == 8  # ours, six cells with the published ones, and the poster's
    assert main(["study", "gtm", "--store", str(tmp_path)]) == 2
    assert "did you mean 'gtn'" in capsys.readouterr().err


def test_the_posters_table_is_whole() -> None:
    (sheet,) = SHEETS["cifar100"]
    assert isinstance(sheet, Table)
    assert {len(row) for row in sheet.rows} == {len(sheet.columns)}
    gains = [float(str(row[-1])) - float(str(row[2])) for row in sheet.rows[1:]]
    assert [f"{gain:+.2f}" for gain in gains] == ["+1.30", "+0.96", "+1.01", "+1.37"]  # as the poster prints them
