"""Panels as Vega-Lite specifications without data: the page's script takes the data from the
panel's table.

Colours are those of the page's style sheet, so that they follow light, dark and print. Grammar:
https://vega.github.io/vega-lite/docs/.
"""

from __future__ import annotations

from typing import Any

from didact.tables.page.picture import Axis, Curves, Dots, HeatMap, Panel, Picture

COLOURS = 8
"""Colours of the style sheet. A legend with more groups uses them again."""


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


def colour(picture: Picture, group: str) -> int:
    """The number of a group's colour in the style sheet."""
    return picture.groups.index(group) % COLOURS


def _curves(panel: Curves, picture: Picture) -> dict[str, Any]:
    single = len(panel.at) == 1
    dashed = {"field": "dashed", "type": "nominal", "scale": {"domain": [0, 1], "range": [[1, 0], [5, 3]]}, "legend": None}
    lines = {
        "mark": {"type": "point" if single else "line", "strokeWidth": 1.5, "clip": True},
        "encoding": {"detail": {"field": "name"}} | ({} if single else {"strokeDash": dashed}),
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
    layers.append({"mark": mark, "encoding": encoding | {"tooltip": tooltip}, "params": [] if names else [_zoom()]})
    rows = len(panel.y.names) * max(1, len(panel.groups))
    return {"height": max(90, 18 * rows + 12 * len(panel.y.names)) if panel.y.names else 260, **_hidden(), "layer": layers}


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
    x = {"field": "x", "type": "nominal", "sort": columns, "title": panel.x, "axis": {"labelAngle": -45}}
    y = {"field": "y", "type": "nominal", "sort": rows, "title": panel.y}
    tooltip = [{"field": "y", "title": "row"}, {"field": "x", "title": "column"}, {"field": "value", "type": "quantitative"}]
    fill = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [0, 1], "scheme": "viridis"},
        "legend": {"title": None, "orient": "bottom", "gradientLength": 150},
    }
    letters = {"condition": {"test": "datum.value > 0.6", "value": "#000"}, "value": "#fff"}
    layers: list[dict[str, Any]] = [{"mark": "rect", "encoding": {"color": fill, "tooltip": tooltip}}]
    if len(columns) <= COLOURS:
        text = {"field": "value", "type": "quantitative", "format": ".2f"}
        layers.append({"mark": {"type": "text", "fontSize": 10}, "encoding": {"text": text, "color": letters}})
    return {"height": 26 * len(rows), "encoding": {"x": x, "y": y}, "layer": layers}


def _axis(axis: Axis, field: str) -> dict[str, Any]:
    side = "height" if field == "y" else "width"
    if axis.names:
        lines = {"labelExpr": "split(datum.label, ' · ')", "labelLimit": 150, "grid": True, "labelAngle": 0}
        return {"field": field, "type": "nominal", "sort": list(axis.names), "title": None, "axis": lines}
    scale: dict[str, Any] = {"padding": 10} | ({"type": "log", "nice": False} if axis.log else {"zero": False})
    scale = {"domain": list(axis.limits)} if axis.limits else scale
    ticks: dict[str, Any] = {"format": "~s"} if axis.log else {"tickCount": {"expr": f"ceil({side} / 60)"}}
    ticks = {"tickMinStep": 1, "format": "d"} if axis.whole else ticks  # the step counts beside a plain number of ticks only
    return {"field": field, "type": "quantitative", "title": axis.label, "scale": scale, "axis": ticks}


def _colours(picture: Picture) -> dict[str, Any]:
    groups = list(picture.groups)
    palette = [f"var(--c{colour(picture, group)})" for group in groups]
    return {"field": "group", "type": "nominal", "scale": {"domain": groups, "range": palette}, "legend": None}


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
