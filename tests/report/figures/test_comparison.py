"""The figure of who taught better, where some figures are not defined."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

from didact.data import Data
from didact.report.figures.canvas import save
from didact.report.figures.comparison import comparison
from didact.runs.run import Run
from didact.store.record import Record
from didact.tables.comparison import comparisons
from support.compared import record

OTHER = Data(name="digits", per_class=5)


def test_a_figure_leaves_out_what_is_not_defined(tiny: Callable[..., Run], tmp_path: Path) -> None:
    students = [tiny("kd"), tiny("kd", seed=1), tiny("at")]
    teacher = students[0].teacher
    assert teacher is not None
    finished: list[tuple[Run, Record]] = [(teacher, record(80.0))]
    finished += [(run, record(top1)) for run, top1 in zip(students, (70.0, nan, nan), strict=True)]
    figure = comparison(comparisons(finished, {run.digest for run in students}), finished)
    save(figure, tmp_path / "all.png")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [70.0]
    none: list[tuple[Run, Record]] = [(teacher, record(nan)), (students[2], record(nan))]
    figure = comparison(comparisons(none, {students[2].digest}), none)
    save(figure, tmp_path / "none.png")
    assert not figure.axes[0].patches and (tmp_path / "none.png").stat().st_size


def test_a_curve_of_a_teacher_is_of_one_that_teaches(tiny: Callable[..., Run]) -> None:
    """Two teachers with a student each; a third network is like them and teaches nobody here."""
    teachers = [tiny("ce", net="resnet14", seed=seed) for seed in range(3)]
    students = [tiny("kd", teacher=teacher) for teacher in teachers[:2]]
    finished: list[tuple[Run, Record]] = [(run, record(70.0)) for run in (*teachers, *students)]
    figure = comparison(comparisons(finished, {run.digest for run in students}), finished)
    assert [line.get_linestyle() for line in figure.axes[1].get_lines()] == ["--", "--", "-", "-"]


def test_a_legend_covers_nothing(tiny: Callable[..., Run], tmp_path: Path) -> None:
    """It lies below both panels, whatever the number of teachers and the length of their names."""
    kinds: list[Any] = ["ce", {"name": "sftn", "student": "resnet8", "kl_weight": 1.25}, {"name": "gtn", "pool": "tiny"}]
    teachers = [tiny(kind, net="resnet14", data_seed=seed) for kind in kinds for seed in (0, 1)]
    runs = [*teachers, *(tiny("kd", teacher=teacher) for teacher in teachers), tiny("ce"), tiny("ce", data=OTHER)]
    finished: list[tuple[Run, Record]] = [(run, record(70.0 + at)) for at, run in enumerate(runs)]
    figure = comparison(comparisons(finished, {run.digest for run in runs[6:]}), finished)
    save(figure, tmp_path / "all.png")
    first, second = figure.subfigs
    (legend,) = first.legends
    assert len(legend.get_texts()) == 2 * len(teachers) + 1 and not any(axes.get_legend() for axes in figure.axes)
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= first.bbox.y0
    assert all(axes.get_tightbbox().y0 >= box.y1 - 1 for axes in first.axes if axes.axison)
    assert second.bbox.y1 <= first.bbox.y0 + 1
