"""A report's page: one HTML file with its style, its scripts and its images.

Every text is escaped. The page's content security policy names its two scripts by their checksums
and allows no load from anywhere, so nothing that a Record holds runs, and nothing is sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files

from didact import __version__
from didact.report.page import chart, legend, library
from didact.runs.spread import defined
from didact.spec import clean, clean_lines
from didact.tables.page.parts import Commands, Gallery, Page, Part, Section
from didact.tables.page.picture import Curves, Dots, Panel, Picture
from didact.tables.table import Cell, Quantity, Table, text

MONOSPACED = ("digest", "digests", "SHA-256", "command")
"""Columns of digests and commands, which wrap anywhere."""


def render(page: Page, *, state: str = "", seconds: float = 0) -> str:
    """The page as HTML; the same page gives the same text.

    Args:
        page: the report.
        state: for a live page: what the server's address ``state`` answers while nothing changes.
        seconds: for a live page: time between two questions.

    Raises:
        RequestError: the extra is missing.
    """
    style, own, drawing = _asset("page.css"), _asset("page.js"), library.script()
    live = f' data-state="{_text(state)}" data-seconds="{seconds:g}"' if state else ""
    scripts = "".join(f"<script>{script}</script>\n" for script in (drawing, own))
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy((drawing, own), live=bool(state))}">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta name="generator" content="didact {__version__}">',
        '<link rel="icon" href="data:,">',
        f"<title>{_text(page.title)}</title>",
        f"<style>\n{style}</style>",
        "</head>",
        f"<body{live}>",
        '<a class="skip" href="#main">Skip to the content</a>',
        *_header(page, live=bool(state)),
        "<noscript><p>Without scripts, pictures are not drawn; the tables below them hold their data.</p></noscript>",
        '<main id="main" tabindex="-1">',
        *(line for section in page.sections for line in _section(section)),
        "</main>",
        f"{scripts}</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _asset(name: str) -> str:
    return files("didact.report.page").joinpath(name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str], *, live: bool) -> str:
    """Vega compiles expressions, which needs 'unsafe-eval'; a live page asks its own server."""
    sums = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{sum_}'" for sum_ in sums)
    rules = [
        "default-src 'none'",
        f"script-src {allowed} 'unsafe-eval'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        f"connect-src {chr(39)}{'self' if live else 'none'}{chr(39)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _header(page: Page, *, live: bool) -> Iterator[str]:
    yield f"<header><h1>{_text(page.title)}</h1>"
    yield from (f"<p>{_text(line)}</p>" for line in page.lines)
    if live:
        yield '<p id="live" class="status" role="status"></p>'
    yield '<nav aria-label="Sections"><ul>'
    yield from (f'<li><a href="#{section.key}">{_text(section.title)}</a></li>' for section in page.sections)
    yield "</ul></nav></header>"


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{section.key}" aria-labelledby="{section.key}-title">'
    yield f'<h2 id="{section.key}-title">{_text(section.title)}</h2>'
    if section.text:
        yield f"<p>{_text(section.text)}</p>"
    for number, part in enumerate(section.parts, 1):
        yield from _part(part, f"{section.key}-{number}")
    yield "</section>"


def _part(part: Part, key: str) -> Iterator[str]:
    match part:
        case Table():
            yield from _titled(part.title, key)
            yield from _scrolling(part, key, part.title or "table")
            yield from _note(part.note)
        case Picture():
            yield from _picture(part, key)
        case Gallery():
            yield from _gallery(part, key)
        case Commands():
            yield from _titled(part.title, key)
            yield from _note(part.note)
            for made, line in part.lines:
                yield f'<p class="made">{_text(made)}</p><pre>{_words(line)}</pre>'


def _words(line: str) -> str:
    """A command, which breaks between words and not after the hyphens of an option."""
    return " ".join(f"<span>{word}</span>" for word in _text(line).split(" "))


def _titled(title: str, key: str) -> Iterator[str]:
    if title:
        yield f'<h3 id="{key}-title">{_text(title)}</h3>'


def _note(note: str) -> Iterator[str]:
    if note:
        yield f'<p class="note">{escape(clean_lines(note)).replace(chr(10), "<br>")}</p>'


# ------------------------------------------------------------------------------------------------
# tables


def _scrolling(table: Table, key: str, name: str) -> Iterator[str]:
    """A table that scrolls on its own where it is wider than the page."""
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{_text(name)}"><table id="{key}-table">'
    yield f"<thead><tr>{_columns(table)}</tr></thead><tbody>"
    for label, *cells in table.rows:
        others = "".join(_cell(cell, column) for cell, column in zip(cells, table.columns[1:], strict=True))
        yield f'<tr><th scope="row"{_number(label)}>{escape(text(label))}</th>{others}</tr>'
    yield "</tbody></table></div>"


def _columns(table: Table) -> str:
    return "".join(
        f'<th scope="col"{" class=n" * numeric}>{_text(column)}</th>'
        for column, numeric in zip(table.columns, table.numeric, strict=True)
    )


def _cell(cell: Cell, column: str) -> str:
    kind = "" if isinstance(cell, str) else ' class="n"'
    kind = ' class="x"' if column in MONOSPACED else kind
    return f"<td{kind}{_number(cell)}>{escape(text(cell))}</td>"


def _number(cell: Cell) -> str:
    """What a row is sorted by: the mean of a quantity."""
    value = cell.sample.mean if isinstance(cell, Quantity) else cell
    return f' data-v="{value!r}"' if isinstance(value, int | float) and defined(value) else ""


# ------------------------------------------------------------------------------------------------
# pictures


def _picture(picture: Picture, key: str) -> Iterator[str]:
    yield f'<figure id="{key}" aria-labelledby="{key}-title">'
    yield from _titled(picture.title, key)
    if len(picture.groups) > 1:
        entries = (f"<li>{legend.swatch(picture, group)}{_text(group)}</li>" for group in picture.groups)
        yield f'<ul class="legend" aria-label="Legend; press an entry to hide it">{"".join(entries)}</ul>'
    yield '<div class="panels">'
    for number, panel in enumerate(picture.panels, 1):
        yield from _panel(panel, picture, f"{key}-{number}", wide=len(picture.panels) == 1)
    yield "</div>"
    yield from _note(picture.note)
    yield "</figure>"


def _panel(panel: Panel, picture: Picture, key: str, *, wide: bool) -> Iterator[str]:
    table, datum = panel.table(), _datum if isinstance(panel, Dots) else _figure
    specification = json.dumps(chart.specification(panel, picture), ensure_ascii=True).replace("<", "\\u003c")
    measured = f' data-measured="{panel.measured}"' if isinstance(panel, Dots) else ""
    name = f"{panel.title}, {_size(panel)}; its data are in the table below"
    yield f'<div class="panel{" wide" if wide else ""}">'
    yield f'<div role="img" aria-label="{_text(name)}" data-shape="{chart.shape(panel)}" data-table="{key}-table"{measured}>'
    yield f'<script type="application/json">{specification}</script></div>'
    yield f'<details id="{key}-data"><summary>Data: {_text(panel.title)}</summary>'
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="Data: {_text(panel.title)}">'
    yield f'<table id="{key}-table"{_numbers(panel)}><thead><tr>{_heads(table, panel, picture)}</tr></thead><tbody>'
    for label, *cells in table.rows:
        yield f'<tr><th scope="row"{_number(label)}>{_plain(label)}</th>{"".join(datum(cell) for cell in cells)}</tr>'
    yield "</tbody></table></div></details></div>"


def _size(panel: Panel) -> str:
    if isinstance(panel, Curves):
        return f"curves of {len(panel.curves)}"
    if isinstance(panel, Dots):
        return f"{len(panel.dots)} marks"
    return f"{len(panel.rows)} by {len(panel.columns)} values"


def _heads(table: Table, panel: Panel, picture: Picture) -> str:
    """Headings; those of curves say the group and, unless it is unbroken, how the line is dashed."""
    if not isinstance(panel, Curves):
        return _columns(table)
    dashes = [chart.dash(picture, curve.group, dashed=curve.dashed) for curve in panel.curves]
    about = [
        f' data-group="{_text(curve.group)}"{f" data-dashed={dash}" if dash else ""}'
        for curve, dash in zip(panel.curves, dashes, strict=True)
    ]
    return "".join(f'<th scope="col"{more}>{_text(c)}</th>' for c, more in zip(table.columns, ["", *about], strict=True))


def _numbers(panel: Panel) -> str:
    """Marks a table of numbers only, whose many cells then need no mark of their own."""
    return "" if isinstance(panel, Dots) else ' class="numbers"'


def _figure(cell: Cell) -> str:
    return f"<td>{_plain(cell)}</td>"


def _datum(cell: Cell) -> str:
    return f"<td>{_plain(cell)}</td>" if isinstance(cell, str) and cell else f'<td class="n">{_plain(cell)}</td>'


def _plain(cell: Cell) -> str:
    """A value of a panel as the script reads it: without separators of thousands."""
    return _text(cell) if isinstance(cell, str) else repr(cell)


def _gallery(gallery: Gallery, key: str) -> Iterator[str]:
    yield from _titled(gallery.title, key)
    yield from _note(gallery.note)
    yield '<ul class="gallery">'
    for image in gallery.images:
        data = base64.b64encode(image.png).decode()
        first, *others = map(_text, image.lines)
        lines = "".join(f"<span>{line}</span>" for line in (f"<b>{first}</b>", *others))
        yield f'<li><img src="data:image/png;base64,{data}" alt="{first}">{lines}</li>'
    yield "</ul>"


def _text(value: str) -> str:
    return escape(" ".join(clean(value).split()))
