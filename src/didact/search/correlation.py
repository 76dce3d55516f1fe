"""Rank correlation of a search's predictions with the accuracies of trained students.

Kendall's tau-b and Spearman's rho are 1 for the same order, 0 for unrelated orders and -1 for
reversed orders. Predictions are those of a search, on the validation split; trained students have
their test accuracy. These figures are reported only; nothing is selected by them. Larger students
are mostly more accurate, so a prediction is useful if it orders students better than their numbers
of parameters do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scipy.stats import kendalltau, spearmanr

from didact.data import facts
from didact.runs.labels import recipe_label, row_labels, teacher_label
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.search.costs import counted
from didact.search.predict import Predictor
from didact.spec import SpecError, canonical
from didact.store.store import Store

LEAST = 3
"""The smallest number of students to correlate."""


@dataclass(frozen=True)
class Student:
    """A student of the pool that was trained.

    Attributes:
        name: its full name, which describes the network.
        parameters: number of parameters.
        predicted: accuracy on the validation split, in percent.
        tested: test accuracies over seeds, in percent.
    """

    name: str
    parameters: int
    predicted: float
    tested: Sample

    @property
    def trained(self) -> float | None:
        """Mean test accuracy over seeds, in percent; None if undefined."""
        return self.tested.mean

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data. "seeds": number of seeds with a test accuracy."""
        figures = {"trained": self.trained, "std": self.tested.std, "seeds": self.tested.n}
        return {"name": self.name, "parameters": self.parameters, "predicted": self.predicted} | figures


@dataclass(frozen=True)
class Correlation:
    """The students trained by one method, with one teacher and one recipe.

    Attributes:
        trained: method, teacher and recipe, as text.
        own: whether the teacher is the one that predicts.
        students: by falling predicted accuracy.
        tau: Kendall's tau-b of predicted and test accuracy; None, like ``rho`` and ``p``, if all
            figures of one side are equal.
        rho: Spearman's rho.
        p: how often a random order has a tau at least as far from 0.
        by_size: Kendall's tau-b of parameters and test accuracy, for comparison.
    """

    trained: str
    own: bool
    students: tuple[Student, ...]
    tau: float | None
    rho: float | None
    p: float | None
    by_size: float | None

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data."""
        return asdict(self) | {"students": len(self.students), "each": [student.plain() for student in self.students]}


def rank_correlation(predictor: Predictor, store: Store, least: int = LEAST) -> list[Correlation]:
    """One correlation for each method, teacher and recipe with at least ``least`` trained students
    of the pool.

    Students of the predicting teacher come first. Runs on the same images count, whatever their
    validation split.
    """
    found = [(run, record) for run, record in store.runs() if _belongs(run, predictor)]
    ways = row_labels(run for run, _ in found)
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for run, record in found:
        key = (_training(run, ways[run.digest], predictor), run.teacher.digest if run.teacher else "")
        groups.setdefault(key, {}).setdefault(run.net, []).append(record.final()["test_top1"])
    own = predictor.run.digest
    ordered = sorted(groups, key=lambda key: (key[1] != own, key))
    return [
        _compared(predictor, training, teacher == own, groups[training, teacher])
        for training, teacher in ordered
        if len(groups[training, teacher]) >= least
    ]


def _compared(predictor: Predictor, training: str, own: bool, trained: dict[str, list[float]]) -> Correlation:
    about = facts(predictor.run.data)
    students = []
    for name, figures in trained.items():
        size = counted(name, about.classes, about.image)[0]
        students.append(Student(name, size, predictor.accuracy(name), Sample(tuple(figures))))
    students.sort(key=lambda student: (-student.predicted, student.name))
    known = [(student, student.trained) for student in students if student.trained is not None]
    x, y = [student.predicted for student, _ in known], [accuracy for _, accuracy in known]
    by_size, *_ = correlated([float(student.parameters) for student, _ in known], y)
    return Correlation(training, own, tuple(students), *correlated(x, y), by_size)


def correlated(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Kendall's tau-b, Spearman's rho and the p value of tau; None if ``x`` or ``y`` is
    constant. Means over seeds that differ in their last digits are a tie."""
    x, y = ([round(value, 9) for value in values] for values in (x, y))
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None, None, None
    kendall: Any = kendalltau(x, y)
    spearman: Any = spearmanr(x, y)
    return float(kendall.statistic), float(spearman.statistic), float(kendall.pvalue)


def _training(run: Run, way: str, predictor: Predictor) -> str:
    """Method (``way``), teacher and recipe of a run as text; its validation split if it differs from the
    predictor's."""
    teacher = f" from {teacher_label(run.teacher, run)}" if run.teacher else ""
    share = run.data.validation
    split = (
        "" if share == predictor.run.data.validation else f"; {100 * share:g} % for validation" if share else "; all images"
    )
    return f"{way}{teacher}; {recipe_label(run)}{split}"


def _belongs(run: Run, predictor: Predictor) -> bool:
    """Whether ``run`` trained a student of the pool on the predictor's images."""
    images, run_images = (canonical(replace(data, validation=0.0)) for data in (predictor.run.data, run.data))
    if images != run_images or run.method.teaches:
        return False
    try:
        return predictor.pool.canonical_name(run.net) == run.net
    except SpecError:
        return False
