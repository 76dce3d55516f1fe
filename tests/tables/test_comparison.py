"""Tables: numbers by hand, and what is compared with what."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest
import torch

from didact.analysis import cka, divergence
from didact.data import evaluation_batches, load
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.measure.similarity import Similarity, similarities
from didact.report import markdown
from didact.runs.run import Run
from didact.spec import strict_json
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.comparison import comparisons
from didact.tables.table import text
from support.compared import cells, record


def test_who_taught_better(tiny: Callable[..., Run]) -> None:
    standard, sftn = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    found: list[tuple[Run, Record]] = [(sftn, record(79.0)), (standard, record(80.0))]
    found += [(tiny("kd", teacher=standard, seed=s), record(v)) for s, v in enumerate((70.0, 72.0))]
    found += [(tiny("kd", teacher=sftn, seed=s), record(v)) for s, v in enumerate((73.0, 74.0))]
    found += [(tiny("ce", seed=s), record(v)) for s, v in enumerate((68.0, 69.0))]
    (table,) = comparisons(found, {run.digest for run, _ in found})
    head, body = cells(table)
    assert head == [
        "method",
        "standard",
        "sftn",
        "difference sftn",
    ]  # the standard teacher goes first, whoever was found first
    assert body[0] == ["the teacher", "80.00", "79.00", "-1.00"]
    assert body[1] == ["alone (ce)", "68.50 ± 0.71", "68.50 ± 0.71", ""]
    assert body[2] == ["kd", "71.00 ± 1.41", "73.50 ± 0.71", "+2.50 ± 0.71"]
    assert "resnet8 taught by resnet14 on digits 6 per class" in table.title
    assert "n = 2 training seeds" in table.covers
    assert "| kd | 71.00 ± 1.41 | 73.50 ± 0.71 | +2.50 ± 0.71 |" in markdown.render(table.table())
    plain = table.plain()["rows"]
    assert plain[1]["top1"]["sftn"]["values"] == (73.0, 74.0)
    paired = {"values": (3.0, 2.0), "n": 2, "mean": 2.5, "std": pytest.approx(0.5**0.5), "seeds": [[0], [1]]}
    ends = pytest.approx((2.5 - 12.7062 / 2, 2.5 + 12.7062 / 2), abs=1e-4)  # Student's t for one degree of freedom
    assert plain[1]["differences"] == {"sftn": paired | {"ci95": ends}} and plain[0]["differences"] == {}


def test_every_teacher_is_compared_with_the_standard_one(tiny: Callable[..., Run]) -> None:
    """Of three: differences 3 and 2 with SFTN; 1 and 4 with GTN, whose third seed has no partner."""
    kinds: list[Any] = [{"name": "gtn", "pool": "tiny"}, {"name": "sftn", "student": "resnet8"}, "ce"]
    gtn, sftn, standard = (tiny(kind, net="resnet14", seed=100) for kind in kinds)  # of no seed that a label leaves out
    taught = {gtn: (71.0, 76.0, 90.0), sftn: (73.0, 74.0), standard: (70.0, 72.0)}
    found = [(teacher, record(80.0)) for teacher in taught]
    found += [
        (tiny("kd", teacher=teacher, seed=s), record(v)) for teacher, values in taught.items() for s, v in enumerate(values)
    ]
    found += [(tiny("at", teacher=sftn), record(50.0))]  # nothing to compare it with
    (table,) = comparisons(found, {run.digest for run, _ in found})
    head, body = cells(table)
    first, second, third = head[1:4]
    assert first == "standard, seed 100" and second.startswith("gtn") and third.startswith("sftn")
    assert head[4:] == [f"difference {second}", f"difference {third}"]
    assert [row[4:] for row in body] == [["+0.00", "+0.00"], ["+2.50 ± 2.12 n=2", "+2.50 ± 0.71 n=2"], ["", ""]]
    assert f"Differences are to '{first}', over the seeds that both teachers have." in table.covers
    plain = table.plain()
    assert plain["baselines"] == {second: first, third: first} and set(plain["rows"][0]["differences"]) == {second, third}
    (_, there) = table.tables()
    assert there.columns == ("method", "teacher", "ours", "n", "difference", "95 % interval")
    assert [list(map(text, row)) for row in there.rows] == [
        ["kd", second, "79.00 ± 9.85", "3", "+2.50 ± 2.12 n=2", "-16.56 to +21.56"],  # 2.5 ± 12.706 * 1.5
        ["kd", third, "73.50 ± 0.71", "2", "+2.50 ± 0.71", "-3.85 to +8.85"],
    ]


def test_uneven_seeds_are_said_and_differences_are_paired(tiny: Callable[..., Run]) -> None:
    standard, sftn = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    found: list[tuple[Run, Record]] = [(standard, record(80.0)), (sftn, record(79.0))]
    found += [(tiny("kd", teacher=standard, seed=s), record(v)) for s, v in enumerate((70.0, 72.0, 74.0))]
    found += [(tiny("kd", teacher=sftn, seed=s), record(v)) for s, v in ((2, 75.0), (7, 90.0))]
    found += [(tiny("at", teacher=standard), record(60.0)), (tiny("at", teacher=sftn, seed=9), record(66.0))]
    (table,) = comparisons(found, {run.digest for run, _ in found})
    _, body = cells(table)
    assert body[1] == ["kd", "72.00 ± 2.00", "82.50 ± 10.61 n=2", "+1.00 n=1"]  # of seed 2 alone
    assert body[2] == ["at", "60.00 n=1", "66.00 n=1", "-"]  # no seed in common
    assert "over n = 3 training seeds" in table.covers and "figures over fewer seeds show their n" in table.covers


def test_different_recipes_are_different_tables(tiny: Callable[..., Run]) -> None:
    found: list[tuple[Run, Record]] = [(tiny("ce"), record(1.0)), (tiny("ce", recipe=Recipe(epochs=3)), record(2.0))]
    assert len(comparisons(found, {run.digest for run, _ in found})) == 2


def test_settings_that_differ_from_the_defaults_are_said(tiny: Callable[..., Run]) -> None:
    found: list[tuple[Run, Record]] = [(tiny({"name": "kd", "temperature": 2.0}), record(1.0))]
    found.append((found[0][0].teacher or tiny(), record(2.0)))
    (table,) = comparisons(found, {found[0][0].digest})
    assert table.rows[0].method == "kd (temperature=2.0)"
    assert "A single training seed" in table.covers


@pytest.mark.parametrize(
    ("method", "net", "label"),
    [
        ({"name": "gtn", "pool": "tiny"}, "resnet14", "gtn (pool=tiny)"),
        ({"name": "gtn", "pool": "tiny", "after": [0, 1]}, "resnet14", "gtn (pool=tiny, after=(0, 1))"),
        ({"name": "sftn", "student": "resnet8"}, "resnet14", "sftn (for resnet8)"),
        ("ce", "resnet8", "alone (ce)"),
    ],
)
def test_a_teacher_by_itself_is_not_alone(tiny: Callable[..., Run], method: Any, net: str, label: str) -> None:
    """Nor is there anything to be said of a likeness to a teacher, or of a difference between two."""
    run = tiny(method, net=net)
    (table,) = comparisons([(run, record(80.0))], {run.digest})
    assert cells(table) == (["method", "accuracy"], [[label, "80.00"]])
    assert table.covers == "A single training seed (0), so the spread is unknown."
    (table,) = comparisons(
        [(one, record(80.0)) for one in (run, tiny(method, net=net, seed=1))],
        {run.digest, tiny(method, net=net, seed=1).digest},
    )
    assert table.covers.endswith("Order and augmentation of the batches (data seed 0) are the same for all runs.")


def test_what_a_table_holds_is_explained_below_it(tiny: Callable[..., Run]) -> None:
    standard, other = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    found: list[tuple[Run, Record]] = [(standard, record(80.0)), (other, record(79.0))]
    students = [tiny("kd", teacher=teacher, seed=seed) for teacher in (standard, other) for seed in (0, 1)]
    found += [(run, record(70.0)) for run in students]
    wanted = {run.digest for run in students}
    (table,) = comparisons(found, wanted)
    assert (
        "and the teacher of a column are the same for all runs. Differences are to 'standard', over the seeds that both "
        in table.covers
    )
    assert "KL" not in table.covers
    (table,) = comparisons(found, wanted, {run.digest: Similarity(0.1, 0.9, 95.0) for run in students})
    assert table.covers.endswith("similar networks have a low KL and a high CKA.")
    (table,) = comparisons(found, {run.digest for run in students[:2]})
    assert "ifference" not in table.covers and "and the teacher are" in table.covers


def test_similarity_is_measured_on_the_test_set_once(tiny: Callable[..., Run], store: Store) -> None:
    run = tiny("kd")
    execute([run], store, Execution(test_every=9))
    found = similarities(store, [run])[run.digest]
    assert run.teacher is not None
    dataset = load(run.data)
    batch = next(evaluation_batches(dataset, dataset.test, len(dataset.test)))
    with torch.no_grad():
        student, teacher = (store.load(r)[0].outputs(batch.images) for r in (run, run.teacher))
    assert student.logits is not None
    assert teacher.logits is not None
    assert student.pooled is not None
    assert teacher.pooled is not None
    assert found.kl == pytest.approx(divergence.kl(teacher.logits, student.logits), rel=1e-4)
    assert found.cka == pytest.approx(cka.linear(student.pooled, teacher.pooled), rel=1e-4)
    kept = store.folder(run) / "similarity.json"
    stamp = kept.stat().st_mtime_ns
    assert similarities(store, [run])[run.digest] == found
    assert kept.stat().st_mtime_ns == stamp
    kept.write_text("{")  # damaged: measured again
    assert similarities(store, [run])[run.digest].kl == pytest.approx(found.kl)


def test_a_collapsed_student_takes_no_table_with_it(tiny: Callable[..., Run]) -> None:
    """It shows the same for every image, so it has no CKA; the figures of the others are as they are."""
    run, teacher = tiny("kd"), tiny("kd").teacher
    assert teacher is not None
    students = [run, tiny("kd", seed=1), tiny("at"), tiny("sp")]
    found: list[tuple[Run, Record]] = [(teacher, record(80.0)), *((one, record(70.0)) for one in students)]
    figures = [(0.1, 0.9), (nan, nan), (inf, 0.5), (0.25, nan)]
    similar = {one.digest: Similarity(*both, 50.0) for one, both in zip(students, figures, strict=True)}
    (table,) = comparisons(found, {one.digest for one in students}, similar)
    head, body = cells(table)
    assert head == ["method", *(f"{what}standard, seed 100" for what in ("", "KL ", "CKA "))]
    assert body[1:] == [
        ["kd", "70.00 ± 0.00", "0.100 n=1", "0.900 n=1"],
        ["at", "70.00 n=1", "-", "0.500 n=1"],
        ["sp", "70.00 n=1", "0.250 n=1", "-"],
    ]
    assert "'-' means unknown or undefined" in table.covers and "nan" not in markdown.render(table.table())
    kl = json.loads(strict_json(table.plain()))["rows"][0]["kl"]["standard, seed 100"]
    assert kl == {"values": [0.1, None], "n": 1, "mean": 0.1, "std": None}
