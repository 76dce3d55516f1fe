"""Which runs share a row, a column and a pair: seeds of students and of teachers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from didact.engine.recipe import Recipe
from didact.peers.dml import DML
from didact.request.plan import plan
from didact.runs.groups import Peer
from didact.runs.labels import row_labels
from didact.runs.run import Run, Start
from didact.store.record import Record
from didact.tables.comparison import comparisons
from didact.tables.table import text
from support.compared import cells, record
from support.tiny import RECIPE


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


def test_networks_that_are_trained_on_alike_have_one_label(tiny: Callable[..., Run]) -> None:
    """Each begins with the run of its own network."""
    runs = [tiny("ce", net=net, start=Start(run=tiny("at", net=net))) for net in ("resnet8", "resnet14")]
    other = tiny("ce", net="resnet14", start=Start(run=tiny("kd", net="resnet14")))
    first, second, third = (row_labels([*runs, other])[run.digest] for run in (*runs, other))
    assert first == second != third


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
