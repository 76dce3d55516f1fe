"""Panels as Vega-Lite specifications."""

from __future__ import annotations

from typing import Any

from didact.report.page import chart
from didact.tables.page.picture import Axis, Dot, Dots, Picture


def encodings(panel: Dots) -> list[dict[str, Any]]:
    drawn = chart.specification(panel, Picture("p", "p", (panel,)))
    return [layer["encoding"] for layer in drawn["layer"] if "x" in layer["encoding"]]


def test_an_axis_of_shares_is_drawn_whole() -> None:
    share = Axis("share (%)", limits=(0, 100))
    panel = Dots("reliability", share, share, (Dot("a", "g", 30.0, 0.0), Dot("b", "g", 90.0, 100.0)), diagonal=True)
    assert all(each[axis]["scale"]["domain"] == [0, 100] for each in encodings(panel) for axis in "xy")
    ends = chart.specification(panel, Picture("p", "p", (panel,)))["layer"][0]["data"]["values"]
    assert ends == [{"x": 0, "y": 0}, {"x": 100, "y": 100}]


def test_what_is_counted_is_marked_by_whole_numbers() -> None:
    panel = Dots("cost", Axis("students", whole=True), Axis("seconds"), (Dot("a", "g", 1, 2.0), Dot("b", "g", 2, 3.0)))
    (marks,) = encodings(panel)
    assert marks["x"]["axis"] == {"tickMinStep": 1, "format": "d"}


def test_lines_part_the_names_of_rows_with_several_groups() -> None:
    rows = Axis("method", names=("kd", "at"))
    dots = (Dot("a", "standard", 50.0, "kd"), Dot("b", "sftn", 51.0, "at"))
    (marks,) = encodings(Dots("methods", Axis("accuracy (%)"), rows, dots))
    assert marks["y"]["axis"]["tickBand"] == "extent" and marks["yOffset"]["field"] == "group"
