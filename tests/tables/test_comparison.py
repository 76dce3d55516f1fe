"""Tables: numbers by hand, and what is compared with what."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.analysis import cka, divergence
from didact.data import evaluation_batches, load
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.measure.similarity import Similarity, similarities
from didact.peers.dml import DML
from didact.report import markdown
from didact.request.plan import plan
from didact.runs.groups import Peer
from didact.runs.run import Run, Start
from didact.spec import strict_json
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.comparison import TeacherComparison, comparisons
from didact.tables.table import text
from support.tiny import RECIPE


@dataclass(frozen=True)
class Known(Record):
    """A Record that knows its last accuracy only."""

    top1: float

    def final(self) -> dict[str, Any]:
        return {"test_top1": self.top1}

    def metrics(self) -> list[dict[str, Any]]:
        return [{"epoch": 1, **self.final()}]


def record(top1: float) -> Record:
    return Known(Path(), top1)


def cells(compared: TeacherComparison) -> tuple[list[str], list[list[str]]]:
    """Heading and rows as they are printed."""
    table = compared.table()
    return list(table.columns), [list(map(text, row)) for row in table.rows]


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


def test_students_of_several_teacher_seeds_are_paired_by_both_seeds(tiny: Callable[..., Run]) -> None:
    """By hand: 60.5 - 60 and 71 - 69 for each student; the mean of the teachers' 0.5 and 2 is 1.25, and its interval over two
    teachers 1.25 +- 12.706 * 1.0607 / sqrt(2). A third SFTN teacher has no partner.
    """
    accuracies = {("ce", 0): 60.0, ("ce", 1): 69.0, ("sftn", 0): 60.5, ("sftn", 1): 71.0, ("sftn", 7): 99.0}
    ways: dict[str, Any] = {"ce": "ce", "sftn": {"name": "sftn", "student": "resnet8"}}
    found: list[tuple[Run, Record]] = []
    for (way, seed), accuracy in accuracies.items():
        teacher = tiny(ways[way], net="resnet14", seed=seed)
        found += [(teacher, record(10.0 + accuracy))]
        found += [(tiny("kd", teacher=teacher, seed=s), record(accuracy + s)) for s in range(3)]
    found += [(tiny("ce", seed=s), record(50.0 + s)) for s in range(3)]
    (table,) = comparisons(found, {run.digest for run, _ in found if run.net == "resnet8"})
    head, (teachers, alone, kd) = cells(table)
    assert head == ["method", "standard", "sftn", "difference sftn"]
    assert teachers == ["the teacher", "74.50 ± 6.36 n=2", "86.83 ± 19.90", "+1.25 ± 1.06 n=2"]
    assert alone == ["alone (ce)", "51.00 ± 1.00 n=3", "51.00 ± 1.00 n=3", ""]
    assert kd[3] == "+1.25 ± 0.82 n=6"
    (gain,) = table.plain()["rows"][1]["differences"].values()
    assert (gain["n"], gain["mean"], sorted(map(tuple, gain["seeds"]))) == (
        6,
        1.25,
        [(s, t) for s in range(3) for t in (0, 1)],
    )
    assert gain["ci95"] == pytest.approx((1.25 - 9.5297, 1.25 + 9.5297), abs=1e-3)
    assert (gain["teachers"], gain["mean_of_teachers"]) == (2, 1.25)
    assert "n = 9 students: training seeds" in table.covers
    assert (
        "under the teacher seeds 0, 1 of 'standard'; 0, 1, 7 of 'sftn'; that of the teacher is over its own" in table.covers
    )
    assert "Differences are to 'standard', over the seeds of teacher and student that both sides have." in table.covers
    (_, there) = table.tables()
    assert list(map(text, there.rows[0]))[3] == "9 of 3 teachers"
    assert there.note.endswith(" Intervals: 95 %, over teacher seeds, each the mean over its students' seeds.")


def test_what_an_interval_is_over_is_said(tiny: Callable[..., Run]) -> None:
    """Standard and SFTN teachers of seeds 0 and 1, a GTN teacher of seed 0 alone. SFTN gains 1 and 2 under teacher 0 and 6
    under teacher 1: teachers' means 1.5 and 6, so 3.75 ± 12.706 * 3.182 / sqrt(2), not around the 3 of all three. GTN gains 1
    and 3: 2 ± 12.706.
    """
    standard = [tiny("ce", net="resnet14", seed=seed) for seed in (0, 1)]
    sftn = [tiny({"name": "sftn", "student": "resnet8"}, net="resnet14", seed=seed) for seed in (0, 1)]
    gtn = tiny({"name": "gtn", "pool": "tiny"}, net="resnet14")
    taught = {
        standard[0]: (50.0, 50.0),
        standard[1]: (60.0, 60.0),
        sftn[0]: (51.0, 52.0),
        sftn[1]: (66.0,),
        gtn: (51.0, 53.0),
    }
    found = [(teacher, record(80.0)) for teacher in taught]
    found += [(tiny("kd", teacher=t, seed=s), record(top1)) for t, tops in taught.items() for s, top1 in enumerate(tops)]
    (table,) = comparisons(found, {run.digest for run, _ in found if run.teacher})
    _, there = table.tables()
    rows = [list(map(text, row)) for row in there.rows]
    assert [row[3:] for row in rows] == [
        ["2", "+2.00 ± 1.41", "-10.71 to +14.71"],
        ["3 of 2 teachers", "+3.00 ± 2.65", "-24.84 to +32.34"],
    ]
    assert there.note.endswith(
        "over teacher seeds, each the mean over its students' seeds; those with one teacher seed in common over the students' "
        "seeds. They are around the mean of the teachers' means, which differs where teachers have unequal numbers of students."
    )
    assert "under the teacher seeds 0, 1 of 'standard'; 0 of 'gtn (pool=tiny)'; 0, 1 of 'sftn'" in table.covers
    teachers = cells(table)[1][0]
    assert teachers[1:] == ["80.00 ± 0.00", "80.00 n=1", "80.00 ± 0.00", "+0.00 n=1", "+0.00 ± 0.00"]
    (table,) = comparisons(
        [(run, one) for run, one in found if run.seed == 0],
        {run.digest for run, _ in found if run.teacher and run.seed == 0},
    )
    assert "n = 2 students: training seeds" in table.covers
    singles = [(tiny("kd", teacher=standard[0]), record(50.0)), (tiny("at", teacher=standard[1]), record(51.0))]
    (table,) = comparisons(singles, {run.digest for run, _ in singles})
    assert table.covers.startswith("Single figures of students, so the spread is unknown.")


def test_runs_that_begin_otherwise_are_no_seeds_of_each_other(tiny: Callable[..., Run]) -> None:
    """Two finished runs of different methods, each of two seeds, are trained on: two rows of two seeds."""
    first = [tiny("kd", seed=seed) for seed in (0, 1)]
    second = [tiny("at", seed=seed) for seed in (0, 1)]
    runs = [tiny("ce", seed=one.seed, start=Start(run=one)) for one in (*first, *second)]
    found = [(run, record(50.0 + at)) for at, run in enumerate(runs)]
    (table,) = comparisons(found, {run.digest for run in runs})
    shown = {row[0]: row[1] for row in cells(table)[1]}
    assert shown == {
        f"alone (ce) fine-tuned {runs[0].digest[:6]}": "50.50 ± 0.71",
        f"alone (ce) fine-tuned {runs[2].digest[:6]}": "52.50 ± 0.71",
    }
    (table,) = comparisons(found[:2], {run.digest for run in runs[:2]})
    assert cells(table)[1] == [["alone (ce) fine-tuned", "50.50 ± 0.71"]]


def test_students_that_are_trained_on_under_their_own_teachers_are_one_row(tiny: Callable[..., Run]) -> None:
    teachers = [tiny(way, net="resnet14") for way in ("ce", {"name": "sftn", "student": "resnet8"})]
    begun = [tiny("kd", teacher=teacher, seed=seed) for teacher in teachers for seed in (0, 1)]
    runs = [tiny("kd", teacher=one.teacher, seed=one.seed, start=Start(run=one)) for one in begun]
    found = [(run, record(50.0)) for run in runs]
    (table,) = comparisons(found, {run.digest for run in runs})
    assert [row.method for row in table.rows] == ["kd fine-tuned"] and len(table.teachers) == 2


def test_groups_whose_peers_are_trained_otherwise_are_rows_of_their_own(tiny: Callable[..., Run]) -> None:
    recipes = RECIPE, replace(RECIPE, learning_rate=0.01)
    runs = [tiny("dml", peers=(Peer(net="resnet14", recipe=one, method=DML()),)) for one in recipes]
    (table,) = comparisons([(run, record(50.0)) for run in runs], {run.digest for run in runs})
    assert {row.method for row in table.rows} == {f"dml with resnet14 {run.digest[:6]}" for run in runs}
    assert table.covers == "A single training seed (0), so the spread is unknown."


def test_columns_do_not_depend_on_the_order_of_the_runs(tiny: Callable[..., Run]) -> None:
    """A request and a listing of the store name the same runs in different orders."""
    longer = Recipe(epochs=9)
    ways: list[dict[str, Any]] = [
        {"method": {"name": "sftn", "student": "resnet8"}, "recipe": longer},
        {"method": {"name": "sftn", "student": "resnet8"}},
        {"method": {"name": "gtn", "pool": "tiny"}},
        {"method": {"name": "ce", "label_smoothing": 0.1}},
        {"method": "ce", "data_seed": 1},
        {"method": "ce", "recipe": longer},
        {"method": "ce"},
    ]
    teachers = [tiny(net="resnet14", **way) for way in ways]
    found = [(run, record(70.0)) for teacher in teachers for run in (tiny("kd", teacher=teacher), teacher)]
    found += [(tiny("kd", teacher=teachers[1], seed=1), record(70.0))]
    (one,) = comparisons(found, {run.digest for run, _ in found if run.teacher})
    (other,) = comparisons(reversed(found), {run.digest for run, _ in found if run.teacher})
    assert list(one.teachers) == list(other.teachers) and one.bases == other.bases
    assert [teacher.run for teacher in one.teachers.values()] == [teachers[at] for at in (6, 4, 5, 3, 2, 1, 0)]


def test_teachers_of_different_seeds_are_compared_by_the_students_seeds(tiny: Callable[..., Run]) -> None:
    """One teacher of each kind: there is no pair of teachers, and the names say so."""
    standard, sftn = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14", seed=1)
    found: list[tuple[Run, Record]] = [(standard, record(80.0)), (sftn, record(79.0))]
    found += [(tiny("kd", teacher=t, seed=s), record(v + s)) for t, v in ((standard, 70.0), (sftn, 72.0)) for s in (0, 1)]
    (table,) = comparisons(found, {run.digest for run, _ in found})
    head, body = cells(table)
    assert head[1:] == ["standard", "sftn, seed 1", "difference sftn, seed 1"] and body[1][3] == "+2.00 ± 0.00"


def test_fine_tuned_teachers_of_several_seeds_are_one_column(tiny: Callable[..., Run]) -> None:
    """Each begins with the standard teacher of its own seed."""
    request = {"net": "resnet8", "teacher": {"net": "resnet14", "method": "sftn", "start": "standard", "seeds": 2}}
    runs = plan(request)
    found = [(run, record(70.0 + at)) for at, run in enumerate(runs)]
    (table,) = comparisons(found, {run.digest for run in runs})
    assert [one.label for one in table.teachers.values()] == ["sftn, fine-tuned"]
    assert [one.seeds for one in table.teachers.values()] == [(0, 1)]


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
