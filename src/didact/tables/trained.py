"""How well a supernet predicts the students that were trained, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from didact.runs.labels import teacher_label
from didact.search.correlation import Correlation, Student
from didact.search.predict import Predictor
from didact.tables.table import Cell, Quantity, Table

COVERS = """\
predicted: with the supernet's weights, on {images:,} validation images. trained: test accuracy, mean and standard deviation over
seeds. tau (Kendall) and rho (Spearman): 1 the same order, 0 unrelated, -1 reversed. p: how often a random order has a tau as far
from 0. tau of size: of the numbers of parameters and the test accuracies; a prediction that is not above it tells no more than
size."""


def tables(predictor: Predictor, compared: Sequence[Correlation]) -> list[Table]:
    """The students of each way that the teacher itself taught, then a row for every way."""
    columns = ("students trained by", "students", "tau", "rho", "p", "tau of size")
    teacher = predictor.run
    title = f"{teacher_label(teacher)}, {teacher.data.label}: students by prediction and when trained"
    ways = Table(columns, tuple(map(_way, compared)), title, COVERS.format(images=predictor.images_held))
    return [*(_students(one) for one in compared if one.own), ways]


def _students(compared: Correlation) -> Table:
    columns = ("student", "parameters", "predicted (%)", "trained (%)", "seeds")
    return Table(columns, tuple(map(_student, compared.students)), compared.trained)


def _student(student: Student) -> tuple[Cell, ...]:
    return student.name, student.parameters, Quantity.single(student.predicted), Quantity(student.tested), student.tested.n


def _way(compared: Correlation) -> tuple[Cell, ...]:
    figures = map(Quantity.single, (compared.tau, compared.rho, compared.p, compared.by_size))
    return (compared.trained, len(compared.students), *figures)
