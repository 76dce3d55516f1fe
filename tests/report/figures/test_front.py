"""The figure of a front: with one student or many, names that are long, and predictions at chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from didact.report.figures.canvas import save
from didact.report.figures.front import LETTERS
from didact.report.figures.front import front as draw
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront, front

LONG = "students for gtn (" + ", ".join(f"basic-16-{i}x16-2x32k5e0.5-1x64" for i in range(1, 7)) + ") resnet20; cifar100"


def found(*figures: tuple[float, float], images: int = 1000) -> ParetoFront:
    students = [Member(f"s{i}", accuracy, cost, int(cost), 1) for i, (cost, accuracy) in enumerate(figures)]
    members = front(students)
    others = tuple(one for one in students if one not in members)
    return ParetoFront("", SearchSettings(), members, others, len(students), images, 10.0)


def _inside(figure: Figure, axes: Axes) -> None:
    """Title, legend and words lie in the figure, and no two of the words on one another."""
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    corners = [corner for box in (*boxes, axes.title.get_window_extent()) for corner in (box.p0, box.p1)]
    assert all(figure.bbox.padded(1).contains(*corner) for corner in corners)
    assert all(axes.bbox.x0 <= box.x0 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(
    ("given", "words", "log"),
    [
        (found((2e4, 62.0)), ["s_nas, l_nas"], False),
        (found((2e4, 62.0), (2.1e4, 64.0)), ["s_nas", "l_nas"], False),
        (found((2e4, 62.0), *((2e4 + 500 * i, 61 - i / 9) for i in range(1, 30))), ["s_nas, l_nas"], False),
        (found(*((1e4 * 1.2**i, 90 - 60 / (i + 1)) for i in range(25))), ["s_nas", "m_nas", "l_nas"], True),
    ],
    ids=["one", "two", "one-of-many", "many"],
)
def test_what_is_drawn(given: ParetoFront, words: list[str], log: bool, tmp_path: Path) -> None:
    figure = draw(given, LONG)
    save(figure, tmp_path / "made" / "front.png")
    assert (tmp_path / "made" / "front.png").stat().st_size > 5000
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == words and (axes.get_xscale() == "log") is log
    title = axes.get_title(loc="left")
    assert title.replace("\n", " ") == LONG and max(map(len, title.split("\n"))) <= LETTERS
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == (["dominated"] if given.others else []) + ["front"]
    _inside(figure, axes)


def test_guessing_is_drawn_where_it_matters(tmp_path: Path) -> None:
    chance = found((1000.0, 11.0), (2000.0, 12.0), images=50)
    figure = draw(replace(chance, settings=SearchSettings(cost="bytes", bits=4)), "short")
    save(figure, tmp_path / "front.svg")
    assert figure.legends[0].get_texts()[-1].get_text() == "guessing"
    assert figure.axes[0].get_xlabel() == "bytes of the weights, 4 bit"
