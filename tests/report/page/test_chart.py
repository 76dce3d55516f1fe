"""Panels as Vega-Lite specifications."""

from __future__ import annotations

import json
from typing import Any

from didact.report.page import chart, legend
from didact.tables.page.picture import Axis, Curve, Curves, Dot, Dots, Picture


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


def test_twenty_four_groups_differ_in_colour_shape_and_dashes() -> None:
    names = [f"method {at}" for at in range(24)]
    dots = Dots("d", Axis("x"), Axis("y"), tuple(Dot(name, name, 1.0, 2.0) for name in names), frozenset(names))
    curves = Curves("c", "epoch", "y", (1.0, 2.0), tuple(Curve(name, name, (1.0, 2.0)) for name in names))
    picture = Picture("p", "p", (dots, curves))
    (mark,) = [
        layer["encoding"] for layer in chart.specification(dots, picture)["layer"] if layer["mark"]["type"] == "point"
    ]
    looks = list(zip(mark["color"]["scale"]["range"], mark["shape"]["scale"]["range"], strict=True))
    assert looks[0] == ("var(--c0)", "circle") and looks[8] == ("var(--c0)", "square") and len(set(looks)) == 24
    lines = chart.specification(curves, picture)["layer"][0]["encoding"]["strokeDash"]["scale"]["range"]
    drawn = [(at % 8, lines[chart.dash(picture, name, dashed=False)]) for at, name in enumerate(names)]
    assert drawn[0][1] == (1, 0) and len(set(drawn)) == 24
    assert lines[chart.dash(picture, names[0], dashed=True)] == (5, 3)
    assert len({legend.swatch(picture, name) for name in names}) == 24


def test_names_at_an_axis_are_told_apart() -> None:
    names = ("simkd (kind=kl, projectors=all layers of the network)", "simkd (kind=kl, projectors=two)")
    panel = Dots("methods", Axis("accuracy (%)"), Axis("method", names=names), tuple(Dot(n, "g", 50.0, n) for n in names))
    (marks,) = encodings(panel)
    lines = json.loads(marks["y"]["axis"]["labelExpr"].removesuffix("[datum.label]"))
    assert lines[names[1]] == ["simkd (kind=kl,", "projectors=two)"]
    assert lines[names[0]] == ["simkd (kind=kl,", "projectors=all layers of", "the network)"]
    assert chart.specification(panel, Picture("p", "p", (panel,)))["height"] == 100  # three lines of 14 and 8 between, twice
