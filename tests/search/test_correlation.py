"""Predicted accuracies beside those of students that were trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from didact.execution import Execution, execute
from didact.methods.kd import KD
from didact.nets.architecture import cost, parse
from didact.runs.run import Run, Start
from didact.search.correlation import correlated, rank_correlation
from didact.search.predict import Predictor
from didact.store.store import Store
from support.searched import DATA, RECIPE, SPACE, TEACHER
from support.shelf import keep

NAMES = [SPACE.smallest, SPACE.largest, "basic-4-1x8-1x12"]
BRIEF = replace(RECIPE, epochs=1)


def by_hand(x: list[float], y: list[float]) -> tuple[float, float]:
    """tau-b: pairs in the same order less pairs in the other, by the pairs that are not equal; rho: correlation of mean ranks."""
    pairs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(len(x)), 2)]
    unequal = [sum(pair[side] != 0 for pair in pairs) for side in (0, 1)]
    ranks = [[sum(b < a for b in row) + (sum(b == a for b in row) - 1) / 2 for a in row] for row in (x, y)]
    return sum(a * b for a, b in pairs) / (unequal[0] * unequal[1]) ** 0.5, float(np.corrcoef(np.array(ranks))[0, 1])


def test_tau_and_rho() -> None:
    # five of six pairs in the same order; rho = 1 - 6 (1 + 1) / (4 (16 - 1)); 8 of 24 orders have |tau| of 2/3 or more
    assert correlated([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]) == pytest.approx(((5 - 1) / 6, 0.8, 8 / 24))
    assert correlated([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == pytest.approx((-1, -1, 2 / 6))
    assert correlated([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == correlated([1.0, 2.0], [5.0, 5.0]) == (None, None, None)
    ties = [0.1 + 0.2, 0.3, 0.4, 0.5]  # the first two are equal but for their last digits
    assert correlated(ties, [1.0, 2.0, 3.0, 4.0]) == correlated([3.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0])
    assert correlated([1.0, 2.0], ties[:2]) == (None, None, None)
    random = np.random.default_rng(0)
    for _ in range(20):
        x, y = random.integers(0, 5, (2, 9)).astype(float).tolist()
        tau, rho, p = correlated(x, y)
        assert (tau, rho) == pytest.approx(by_hand(x, y)) and p is not None and 0 <= p <= 1


def test_prediction_beside_students_that_were_trained(fresh: Store) -> None:
    students = [Run(net=name, data=replace(DATA, validation=0.0), recipe=BRIEF) for name in NAMES]
    others = [Run(net="resnet8", data=DATA, recipe=BRIEF), Run(net=NAMES[0], data=replace(DATA, per_class=5), recipe=BRIEF)]
    predictor = Predictor(fresh, TEACHER)
    records = execute([*students[:2], *others], fresh, Execution()).records
    assert rank_correlation(predictor, fresh) == []  # two students have no order to speak of
    again = replace(students[0], seed=1)
    records |= execute([*students, again], fresh, Execution()).records
    (found,) = rank_correlation(predictor, fresh)
    tested = {run: records[run.digest].final()["test_top1"] for run in (*students, again)}
    assert found.trained.startswith("alone (ce); 1 epoch,") and found.trained.endswith("; all images") and not found.own
    shown = {one.name: one for one in found.students}
    assert shown.keys() == set(NAMES)
    assert [one.predicted for one in found.students] == sorted((predictor.accuracy(name) for name in NAMES), reverse=True)
    for run in students[1:]:
        one = shown[run.net]
        assert (one.predicted, one.trained, one.tested.std, one.tested.n) == (
            predictor.accuracy(run.net),
            tested[run],
            None,
            1,
        )
    twice, figures = shown[NAMES[0]], [tested[students[0]], tested[again]]
    assert (twice.trained, twice.tested.std, twice.tested.n) == pytest.approx((np.mean(figures), np.std(figures, ddof=1), 2))
    x, y = [one.predicted for one in found.students], [one.trained for one in found.students]
    assert (found.tau, found.rho) == pytest.approx(by_hand(x, y))
    sizes = [float(cost(parse(one.name), 10, (1, 32, 32)).parameters) for one in found.students]
    assert [one.parameters for one in found.students] == sizes
    assert found.by_size == pytest.approx(by_hand(sizes, y)[0])
    told = found.plain()
    assert (told["students"], told["each"][0]["name"]) == (3, found.students[0].name)


def test_this_teacher_s_students_come_first(fresh: Store) -> None:
    def taught(teacher: Run) -> list[Run]:
        return [Run(net=name, data=DATA, recipe=BRIEF, method=KD(), teacher=teacher) for name in NAMES]

    # another teacher of the same label: its students are another way
    other = replace(TEACHER, recipe=BRIEF)
    alone = [Run(net=name, data=DATA, recipe=BRIEF) for name in NAMES]
    assert not execute([*alone, *taught(other), *taught(TEACHER)], fresh, Execution()).failures
    found = rank_correlation(Predictor(fresh, TEACHER), fresh)
    assert [(one.own, one.trained.partition(" ")[0]) for one in found] == [(True, "kd"), (False, "alone"), (False, "kd")]
    assert all(len(one.students) == 3 for one in found)
    assert [one.own for one in rank_correlation(Predictor(fresh, other), fresh)] == [True, False, False]


def test_students_that_begin_otherwise_are_not_pooled(fresh: Store) -> None:
    """Of two seeds each; they begin with runs of two recipes. As in the tables of students, these are two ways."""
    begun = [Run(net=name, data=DATA, recipe=recipe, seed=s) for recipe in (BRIEF, RECIPE) for name in NAMES for s in (0, 1)]
    runs = [Run(net=one.net, data=DATA, recipe=BRIEF, seed=one.seed, start=Start(run=one)) for one in begun]
    for run in runs:
        keep(fresh.root, run)
    found = rank_correlation(Predictor(fresh, TEACHER), fresh)
    first = [min((run for run in runs[at : at + 6] if not run.seed), key=lambda run: run.digest) for at in (0, 6)]
    expected = {f"alone (ce) fine-tuned {run.digest[:6]}" for run in first}
    assert {one.trained.partition(";")[0] for one in found} == expected and len(found) == 2
    assert all([student.tested.n for student in one.students] == [2, 2, 2] for one in found)
