"""Students and their teachers: numbers by hand for the best students, for both accuracies, for KL over time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from didact.runs.run import Run
from didact.store.store import Store
from didact.tables.comparison import comparisons
from didact.tables.page import divergence, teachers, trained
from didact.tables.page.picture import Curves, Dots, Picture
from didact.tables.page.trained import Trained
from support.reported import ended, metrics


def pictures(known: Sequence[Trained]) -> dict[str, Picture]:
    finished = [(one.run, one.record) for one in known if one.record is not None]
    compared = comparisons(finished, {run.digest for run, _ in finished})
    return {one.key: one for one in teachers.section(compared, {one.digest: one.run for one in known}).pictures}


@pytest.fixture
def known(tiny: Callable[..., Run], store: Store) -> list[Trained]:
    """Two teachers with students by two methods, two seeds each, and a student alone."""
    standard, sftn = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    figures = {("kd", standard): 70.0, ("fitnet+kd", standard): 72.0, ("kd", sftn): 75.0, ("fitnet+kd", sftn): 74.0}
    ended(store, standard, metrics(80.0))
    ended(store, sftn, metrics(78.0))
    for (method, teacher), top1 in figures.items():
        for seed in range(2):
            ended(store, tiny(method, teacher=teacher, seed=seed), metrics(top1 + seed, ce=0.1, kd=7.2))
    ended(store, tiny("ce"), metrics(60.0))
    return trained.of_store(store)


def test_the_best_student_of_each_teacher(known: list[Trained]) -> None:
    (panel,) = pictures(known)["best-students"].panels
    assert isinstance(panel, Dots) and panel.y.names == ("resnet14 / resnet8",)
    assert {dot.group: dot.x for dot in panel.dots} == {
        "teacher, standard": 80.0,
        "best student of standard": 72.5,
        "teacher, sftn": 78.0,
        "best student of sftn": 75.5,
    }
    assert next(dot for dot in panel.dots if dot.x == 72.5).spread == pytest.approx(0.5**0.5)


def test_teacher_against_student_accuracy(known: list[Trained]) -> None:
    (panel,) = pictures(known)["teacher-against-student"].panels
    assert isinstance(panel, Dots)
    assert sorted((dot.x, dot.y) for dot in panel.dots) == [(78.0, 74.5), (78.0, 75.5), (80.0, 70.5), (80.0, 72.5)]
    assert panel.title.endswith("(r = -0.91, 4 marks)")  # -7 / sqrt(4 * 14.75)


def test_without_teachers_there_is_nothing(tiny: Callable[..., Run], store: Store) -> None:
    ended(store, tiny("ce"), metrics(60.0))
    known = trained.of_store(store)
    assert pictures(known) == {} and divergence.section(trained.families(known)).parts == ()


def test_kl_over_time_is_the_term_without_weight_and_temperature(known: list[Trained]) -> None:
    (picture,) = divergence.section(trained.families(known)).pictures
    kl, accuracy = picture.panels
    assert isinstance(kl, Curves) and isinstance(accuracy, Curves)
    # kd: alpha 0.9, fitnet+kd: alpha 1, both T = 4
    assert {curve.group.partition(" ")[0]: curve.values for curve in kl.curves} == {
        "kd": (pytest.approx(7.2 / 0.9 / 16),) * 2,
        "fitnet+kd": (pytest.approx(7.2 / 16),) * 2,
    }
    assert len(kl.curves) == len(accuracy.curves) == 8 and "temperature 4" in picture.note
