"""Students against their teachers: the best student beside each teacher, and teacher accuracy
against student accuracy (Figures 3 and 4 of the SFTN paper)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from didact.runs.labels import recipe_label, teacher_label, teacher_summary
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.tables.comparison import TeacherComparison, column
from didact.tables.page.parts import Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture
from didact.tables.page.trained import net_title

FEWEST = 3
"""Pairs of accuracies that a correlation needs."""


@dataclass(frozen=True)
class _Taught:
    """The students of one teacher by one method.

    Attributes:
        student, teacher: one student's run, and the teacher's.
        method: the row's label.
    """

    student: Run
    teacher: Run
    method: str
    accuracy: Sample
    teacher_accuracy: float

    @property
    def way(self) -> str:
        """How the teacher was trained."""
        return teacher_summary(self.teacher, self.student)

    @property
    def name(self) -> str:
        """Students and teacher in a few words."""
        return f"{net_title(self.student)} by {self.method} from {teacher_label(self.teacher, self.student)}"


def section(compared: Sequence[TeacherComparison], runs: Mapping[str, Run]) -> Section:
    """Both pictures.

    Args:
        compared: comparisons of teachers.
        runs: every run of the report by its digest.
    """
    taught = [one for comparison in compared for one in _taught(comparison, runs)]
    pictures = [picture for picture in (_beside(taught), _against(taught)) if picture is not None]
    text = (
        "Whether a better teacher has better students. A mark right of another, or above it, is the more accurate network."
    )
    return Section("teachers", "Students and their teachers", tuple(pictures), text)


def _taught(comparison: TeacherComparison, runs: Mapping[str, Run]) -> Iterator[_Taught]:
    for key, teacher in comparison.teachers.items():
        students = [
            runs[member]
            for member in sorted(comparison.members)
            if member in runs and (it := runs[member].teacher) is not None and column(it) == key
        ]
        accuracy = teacher.accuracy.mean
        if not students or accuracy is None:
            continue
        for row in comparison.rows:
            sample = row.accuracy.get(key)
            if sample is not None and sample.mean is not None:
                yield _Taught(students[0], teacher.run, row.method, sample, accuracy)


def _beside(taught: Sequence[_Taught]) -> Picture | None:
    """For each pair of networks: every teacher and its best student."""
    best: dict[tuple[str, str], _Taught] = {}
    places = _places(taught)
    for one in taught:
        key = places[id(one)], one.way
        if key not in best or _mean(one) > _mean(best[key]):
            best[key] = one
    if not best:
        return None
    dots: list[Dot] = []
    for (place, way), one in best.items():
        dots.append(Dot(f"teacher {way} {net_title(one.teacher)}", f"teacher, {way}", one.teacher_accuracy, place))
        dots.append(Dot(one.name, f"best student of {way}", _mean(one), place, one.accuracy.std))
    axis = Axis("teacher and student", names=tuple(dict.fromkeys(places[id(one)] for one in taught)))
    note = (
        "The best student is that of the method with the highest mean test accuracy, so its figure is favourable where several "
        "methods were tried. Bars: the standard deviation over seeds."
    )
    panel = Dots("teachers and their best students", Axis("test accuracy (%)"), axis, tuple(dots))
    return Picture("best-students", "Best students beside their teachers", (panel,), note)


def _places(taught: Sequence[_Taught]) -> dict[int, str]:
    """A name for each pair of networks, with data and recipe where these differ."""
    data = {one.student.data.label for one in taught}
    recipes = {recipe_label(one.student) for one in taught}
    epochs = {one.student.recipe.epochs for one in taught}
    names: dict[int, str] = {}
    for one in taught:
        words = [f"{net_title(one.teacher)} / {net_title(one.student)}"]
        words += [one.student.data.label] if len(data) > 1 else []
        if len(recipes) > 1:
            words.append(f"{one.student.epochs} epochs" if len(epochs) == len(recipes) else recipe_label(one.student))
        names[id(one)] = " · ".join(words)
    return names


def _against(taught: Sequence[_Taught]) -> Picture | None:
    """Mean student accuracy by teacher accuracy: a panel for each student network and data set with
    at least two teachers."""
    groups: dict[tuple[str, str], list[_Taught]] = {}
    for one in taught:
        groups.setdefault((net_title(one.student), one.student.data.label), []).append(one)
    panels: list[Dots] = []
    for (net, data), members in groups.items():
        if len({one.teacher.digest for one in members}) < 2:
            continue
        several = len({one.student.recipe for one in members}) > 1
        dots = tuple(
            Dot(
                one.name + (f", {recipe_label(one.student)}" if several else ""),
                f"teacher: {one.way}",
                one.teacher_accuracy,
                _mean(one),
                one.accuracy.std,
            )
            for one in members
        )
        x, y = Axis("teacher's test accuracy (%)"), Axis("students' test accuracy (%)")
        panels.append(Dots(f"{net} on {data}{_correlation(members)}", x, y, dots))
    if not panels:
        return None
    note = "One mark for each method and teacher, the mean over seeds; bars: the standard deviation over seeds."
    return Picture(key_of("teacher against student"), "Teacher against student accuracy", tuple(panels), note)


def _correlation(members: Sequence[_Taught]) -> str:
    """Pearson's r, where it is defined."""
    x, y = [one.teacher_accuracy for one in members], [_mean(one) for one in members]
    if len(members) < FEWEST or len(set(x)) < 2 or len(set(y)) < 2:
        return ""
    return f" (r = {statistics.correlation(x, y):z.2f}, {len(members)} marks)"


def _mean(one: _Taught) -> float:
    assert one.accuracy.mean is not None
    return one.accuracy.mean
