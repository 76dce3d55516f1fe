"""How good the predictions of a search are: predicted accuracies beside those of students that were trained.

Kendall's tau-b and Spearman's rho: 1 where both order the students alike, 0 where the orders have nothing to do with each other,
-1 where one is the reverse of the other. Students are predicted as a search predicts them, on the validation split; what they
reached when trained is their test accuracy. This reports, and chooses nothing. Larger students are mostly better ones, so a
prediction is of use where it orders them better than their numbers of parameters do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from scipy.stats import kendalltau, spearmanr

from didact.data import facts
from didact.runs.labels import recipe_label, row_label, teacher_label
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.search.costs import counted
from didact.search.predict import Predictor
from didact.spec import SpecError, canonical
from didact.store.store import Store

LEAST = 3
"""Fewer students have no order to speak of."""


@dataclass(frozen=True)
class Student:
    """A student of the pool that was trained.

    Attributes:
        name: spells it out. parameters: how many it has. predicted: on the validation split, in percent.
        tested: test accuracies over seeds, in percent.
    """

    name: str
    parameters: int
    predicted: float
    tested: Sample

    @property
    def trained(self) -> float | None:
        """Mean test accuracy over seeds, in percent; None where it is not defined."""
        return self.tested.mean

    def plain(self) -> dict[str, Any]:
        """Everything as plain JSON data. "seeds": how many seeds have a test accuracy."""
        figures = {"trained": self.trained, "std": self.tested.std, "seeds": self.tested.n}
        return {"name": self.name, "parameters": self.parameters, "predicted": self.predicted} | figures


@dataclass(frozen=True)
class Correlation:
    """The students that were trained in one way: by a method, from a teacher, with a recipe.

    Attributes:
        trained: the way. own: whether it is from the teacher whose supernet predicts.
        students: the most accurate by prediction first.
        tau: Kendall's tau-b. p: how often a random order has a tau as far from 0. rho: Spearman's. None where all figures of a
            side are equal.
        by_size: Kendall's tau-b of their parameters and what they reached, for comparison.
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
    """Prediction and training, for every way in which ``least`` students of the pool were trained; those by the teacher first.

    Runs of the same images count, whatever part was set aside for validation.
    """
    ways: dict[tuple[str, str], dict[str, list[float]]] = {}
    for run, record in store.runs():
        if _belongs(run, predictor):
            taught = run.teacher.digest if run.teacher else ""
            ways.setdefault((_way(run, predictor), taught), {}).setdefault(run.net, []).append(record.final()["test_top1"])
    own = predictor.run.digest
    enough = [key for key in sorted(ways, key=lambda key: (key[1] != own, key)) if len(ways[key]) >= least]
    return [_compared(predictor, way, taught == own, ways[way, taught]) for way, taught in enough]


def _compared(predictor: Predictor, way: str, own: bool, trained: dict[str, list[float]]) -> Correlation:
    about = facts(predictor.run.data)
    students = []
    for name, figures in trained.items():
        size = counted(name, about.classes, about.image)[0]
        students.append(Student(name, size, predictor.accuracy(name), Sample(tuple(figures))))
    students.sort(key=lambda one: (-one.predicted, one.name))
    known = [(one, one.trained) for one in students if one.trained is not None]
    x, y = [one.predicted for one, _ in known], [trained for _, trained in known]
    by_size, *_ = correlated([float(one.parameters) for one, _ in known], y)
    return Correlation(way, own, tuple(students), *correlated(x, y), by_size)


def correlated(x: Sequence[float], y: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Kendall's tau-b, Spearman's rho and tau's p of two rows of figures; None where one of them is constant."""
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None, None, None
    kendall: Any = kendalltau(x, y)
    spearman: Any = spearmanr(x, y)
    return float(kendall.statistic), float(spearman.statistic), float(kendall.pvalue)


def _way(run: Run, predictor: Predictor) -> str:
    taught = f" from {teacher_label(run.teacher)}" if run.teacher else ""
    held = run.data.validation
    aside = "" if held == predictor.run.data.validation else f"; {100 * held:g} % for validation" if held else "; all images"
    return f"{row_label(run)}{taught}; {recipe_label(run)}{aside}"


def _belongs(run: Run, predictor: Predictor) -> bool:
    own, theirs = (canonical(replace(data, validation=0.0)) for data in (predictor.run.data, run.data))
    if own != theirs or run.method.teaches:
        return False
    try:
        return predictor.pool.canonical_name(run.net) == run.net
    except SpecError:
        return False
