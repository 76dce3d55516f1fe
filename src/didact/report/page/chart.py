"""Panels as Vega-Lite specifications without data: the page's script takes the data from the
panel's table.

Colours are those of the page's style sheet, so that they follow light, dark and print. Grammar:
https://vega.github.io/vega-lite/docs/.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from didact.report.labels import in_lines
from didact.report.styles import COLOURS, DASHES, Style
from didact.tables.page.picture import Axis, Curves, Dots, HeatMap, Panel, Picture

LETTERS, LINES = 24, 3
"""Letters in a line of a name at an axis, and lines."""

FULLEST = 8
"""Columns of a heat map up to which its values are written in it."""


def specification(panel: Panel, picture: Picture) -> dict[str, Any]:
    """The specification of one panel. Data: "rows", with the fields that :func:`shape` names."""
    drawn = {Curves: _curves, Dots: _dots, HeatMap: _heat_map}[type(panel)](panel, picture)
    return {
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"name": "rows"},
        "title": {"text": panel.title, "anchor": "start"},
        **drawn,
    }


def shape(panel: Panel) -> str:
    """How the script reads the panel's table: "wide", "long" or "matrix"."""
    return {Curves: "wide", Dots: "long", HeatMap: "matrix"}[type(panel)]


def style(picture: Picture, group: str) -> Style:
    """How a group of the picture is drawn."""
    return Style.of(picture.groups.index(group))


def dash(picture: Picture, group: str, *, dashed: bool) -> int:
    """The number of a line's dashes in the specification; 0: unbroken."""
    return 2 * style(picture, group).turn + dashed


def _curves(panel: Curves, picture: Picture) -> dict[str, Any]:
    single = len(panel.at) == 1
    lines = {
        "mark": {"type": "point" if single else "line", "strokeWidth": 1.5, "clip": True},
        "encoding": {"detail": {"field": "name"}} | (_shapes(picture) if single else {"strokeDash": _dashes()}),
        "params": [_zoom()],
    }
    # a vertical line at the nearest place, whose tooltip has the values of all runs there
    near = {"type": "point", "on": "pointerover", "clear": "pointerout", "nearest": True, "encodings": ["x"]}
    place = {
        "transform": [{"pivot": "name", "value": "y", "groupby": ["x"]}],
        "mark": {"type": "rule", "color": "var(--soft)", "tooltip": {"content": "data"}},
        "encoding": {
            "y": {"value": 0},
            "y2": {"value": "height"},
            "color": {"value": "var(--soft)"},
            "opacity": {"condition": {"param": "near", "empty": False, "value": 0.6}, "value": 0},
        },
        "params": [{"name": "near", "select": near}],
    }
    return {
        "height": 220,
        **_hidden(),
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": panel.x, "axis": {"tickMinStep": 1}},
            "y": {"field": "y", "type": "quantitative", "title": panel.y, "scale": {"zero": False}},
            "color": _colours(picture),
        },
        "layer": [lines, place],
    }


def _dots(panel: Dots, picture: Picture) -> dict[str, Any]:
    names = panel.y.names or panel.x.names
    offset = "yOffset" if panel.y.names else "xOffset"
    encoding: dict[str, Any] = {"x": _axis(panel.x, "x"), "y": _axis(panel.y, "y"), "color": _colours(picture)}
    if names and len(panel.groups) > 1:
        encoding["y" if panel.y.names else "x"]["axis"]["tickBand"] = "extent"  # lines between the names, not through them
        encoding[offset] = {"field": "group", "type": "nominal", "sort": list(panel.groups)}
    tooltip = [{"field": "name", "title": "what"}, {"field": "group"}]
    for axis, field in ((panel.x, "x"), (panel.y, "y")):
        tooltip += [] if axis.names else [{"field": field, "type": "quantitative", "title": axis.label}]
    layers: list[dict[str, Any]] = []
    if panel.rules:
        layers += _rules(panel)
    if panel.diagonal:
        layers.append(_diagonal(panel))
    if panel.joined:
        joined = {"filter": {"field": "group", "oneOf": sorted(panel.joined)}}
        mark = {"type": "line", "strokeWidth": 1.5}
        layers.append({"transform": [joined], "mark": mark, "encoding": encoding | {"order": {"field": "order"}}})
    if any(dot.spread is not None for dot in panel.dots):
        at = panel.measured
        ends = {at: encoding[at] | {"field": "low"}, f"{at}2": {"field": "high"}}
        layers.append({"transform": [{"filter": "isValid(datum.low)"}], "mark": "rule", "encoding": encoding | ends})
    mark = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    marks = encoding | _shapes(picture) | {"tooltip": tooltip}
    layers.append({"mark": mark, "encoding": marks, "params": [] if names else [_zoom()]})
    return {"height": _height(panel), **_hidden(), "layer": layers}


def _height(panel: Dots) -> int:
    """Room for a mark of every group, and for the lines of every name, at each name."""
    names = panel.y.names
    lines = max(map(len, in_lines(names, LETTERS, LINES).values()), default=0)
    return max(90, len(names) * max(18 * len(panel.groups) + 12, 14 * lines + 8)) if names else 260


def _rules(panel: Dots) -> list[dict[str, Any]]:
    values = [{"rule": rule.name, "at": rule.x} for rule in panel.rules]
    # the same scale as the marks'
    x = _axis(panel.x, "at")
    text = {"type": "text", "angle": 270, "align": "left", "baseline": "bottom", "dy": -2, "fontSize": 10}
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "color": "var(--soft)", "strokeDash": [4, 3]},
            "encoding": {"x": x},
        },
        {
            "data": {"values": values},
            "mark": text | {"color": "var(--soft)"},
            "encoding": {"x": x, "y": {"value": {"expr": "height - 4"}}, "text": {"field": "rule"}},
        },
    ]


def _diagonal(panel: Dots) -> dict[str, Any]:
    """A line through the square that holds all marks."""
    values = [value for dot in panel.dots for value in (dot.x, dot.y) if not isinstance(value, str)]
    values += panel.x.limits or ()
    ends = [{"x": end, "y": end} for end in (min(values), max(values))]
    return {
        "data": {"values": ends},
        "mark": {"type": "line", "color": "var(--soft)", "strokeDash": [4, 3], "strokeWidth": 1},
        "encoding": {"x": _axis(panel.x, "x"), "y": _axis(panel.y, "y")},
    }


def _heat_map(panel: HeatMap, picture: Picture) -> dict[str, Any]:
    rows, columns = list(reversed(panel.rows)), list(panel.columns)
    x = {
        "field": "x",
        "type": "nominal",
        "sort": columns,
        "title": panel.x,
        "axis": _names(columns, 1) | {"labelAngle": -45},
    }
    y = {"field": "y", "type": "nominal", "sort": rows, "title": panel.y, "axis": _names(rows, 1)}
    tooltip = [{"field": "y", "title": "row"}, {"field": "x", "title": "column"}, {"field": "value", "type": "quantitative"}]
    fill = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "scheme": "viridis"},
        "legend": {"title": None, "orient": "bottom", "gradientLength": 150},
    }
    letters = {"condition": {"test": "datum.value > 0.6", "value": "#000"}, "value": "#fff"}
    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {"color": fill, "tooltip": tooltip}}]
    if len(columns) <= FULLEST:
        text = {"field": "value", "type": "quantitative", "format": ".2f"}
        layers.append({"mark": {"type": "text", "fontSize": 10}, "encoding": {"text": text, "color": letters}})
    return {"height": 26 * len(rows), "encoding": {"x": x, "y": y}, "layer": layers}


def _axis(axis: Axis, field: str) -> dict[str, Any]:
    side = "height" if field == "y" else "width"
    if axis.names:
        drawn = _names(axis.names, LINES) | {"grid": True, "labelAngle": 0}
        return {"field": field, "type": "nominal", "sort": list(axis.names), "title": None, "axis": drawn}
    scale: dict[str, Any] = {"padding": 10} | ({"type": "log", "nice": False} if axis.log else {"zero": False})
    scale = {"domain": list(axis.limits)} if axis.limits else scale
    ticks: dict[str, Any] = {"format": "~s"} if axis.log else {"tickCount": {"expr": f"ceil({side} / 60)"}}
    ticks = {"tickMinStep": 1, "format": "d"} if axis.whole else ticks  # the step counts beside a plain number of ticks only
    return {"field": field, "type": "quantitative", "title": axis.label, "scale": scale, "axis": ticks}


def _names(names: Sequence[str], lines: int) -> dict[str, Any]:
    """The names at an axis, in lines that no other name has; marks say them in full."""
    shown = in_lines(names, LETTERS, lines)
    return {"labelExpr": f"{json.dumps(shown)}[datum.label]", "labelLimit": 0}


def _colours(picture: Picture) -> dict[str, Any]:
    palette = [f"var(--c{style(picture, group).colour})" for group in picture.groups]
    return _by_group(picture, palette)


def _shapes(picture: Picture) -> dict[str, Any]:
    """Shapes of marks, where there are more groups than colours."""
    if len(picture.groups) <= COLOURS:
        return {}
    return {"shape": _by_group(picture, [style(picture, group).shape for group in picture.groups])}


def _by_group(picture: Picture, values: list[str]) -> dict[str, Any]:
    scale = {"domain": list(picture.groups), "range": values}
    return {"field": "group", "type": "nominal", "scale": scale, "legend": None}


def _dashes() -> dict[str, Any]:
    """Dashes of lines by the number that :func:`dash` gives."""
    lines = [Style(0, turn).dashes(dashed=dashed) or (1, 0) for turn in range(len(DASHES)) for dashed in (False, True)]
    scale = {"domain": list(range(len(lines))), "range": lines}
    return {"field": "dashed", "type": "nominal", "scale": scale, "legend": None}


def _hidden() -> dict[str, Any]:
    """The legend hides groups by the signal "hidden"."""
    return {
        "params": [{"name": "hidden", "value": []}],
        "transform": [{"filter": "indexof(hidden, datum.group) < 0"}],
    }


def _zoom() -> dict[str, Any]:
    """Zoom by wheel with Ctrl, move by drag with Shift: a page must scroll without them."""
    return {
        "name": "zoom",
        "bind": "scales",
        "select": {
            "type": "interval",
            "zoom": "wheel![event.ctrlKey]",
            "translate": "[pointerdown[event.shiftKey], window:pointerup] > window:pointermove!",
        },
    }
