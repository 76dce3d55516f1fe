"""A report's pictures by matplotlib: every kind of panel, in every kind of file, with the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from didact.report.figures.canvas import save
from didact.report.figures.picture import picture
from support.reported import everything

PICTURES = everything("kd $x_1$ <b>").pictures


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_every_panel_is_drawn(number: int, tmp_path: Path) -> None:
    shown = PICTURES[number]
    figure = picture(shown)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[: len(shown.panels)] == [panel.title for panel in shown.panels]
    assert all(axes.lines or axes.images or axes.collections for axes in figure.axes[: len(shown.panels)])
    save(figure, tmp_path / "a.svg")
    save(picture(shown), tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_same_bytes_in_every_kind(tmp_path: Path) -> None:
    for kind in ("pdf", "png"):
        for name in "ab":
            save(picture(PICTURES[1]), tmp_path / f"{name}.{kind}")
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
