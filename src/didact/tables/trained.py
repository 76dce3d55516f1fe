"""Tables that compare a supernet's predictions with the accuracy of trained students."""

from __future__ import annotations

from collections.abc import Sequence

from didact.runs.labels import teacher_label
from didact.search.correlation import Correlation, Student
from didact.search.predict import Predictor
from didact.tables.table import Cell, Quantity, Table

COVERS = """\
predicted: with the supernet's weights, on {images:,} validation images. trained: test accuracy, mean and standard deviation
over seeds. tau (Kendall) and rho (Spearman): 1 same order, 0 unrelated, -1 reversed. p: how often a random order has a tau
at least as far from 0. tau of size: number of parameters against test accuracy; a prediction with a tau that is not above it
says no more than the size."""


def tables(predictor: Predictor, compared: Sequence[Correlation]) -> list[Table]:
    """A table of students for each training method of the teacher itself, then one row for every
    method."""
    columns = ("students trained by", "students", "tau", "rho", "p", "tau of size")
    teacher = predictor.run
    title = f"{teacher_label(teacher)}, {teacher.data.label}: students by prediction and when trained"
    by_method = Table(columns, tuple(map(_row, compared)), title, COVERS.format(images=predictor.images_held))
    return [*(_students(correlation) for correlation in compared if correlation.own), by_method]


def _students(compared: Correlation) -> Table:
    columns = ("student", "parameters", "predicted (%)", "trained (%)", "seeds")
    return Table(columns, tuple(map(_student, compared.students)), compared.trained)


def _student(student: Student) -> tuple[Cell, ...]:
    return student.name, student.parameters, Quantity.single(student.predicted), Quantity(student.tested), student.tested.n


def _row(compared: Correlation) -> tuple[Cell, ...]:
    figures = map(Quantity.single, (compared.tau, compared.rho, compared.p, compared.by_size))
    return (compared.trained, len(compared.students), *figures)
