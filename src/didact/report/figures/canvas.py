"""An empty figure, the colours of lines and bars, and saving a figure to a file.

pyplot is not used and no backend is selected, so a notebook's own settings stay as they are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.files.checked import write
from didact.report.styles import Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000")
"""Paul Tol's bright scheme and black; colour-blind readers can distinguish them."""


MARK = "drawn by didact"
"""In the metadata of every picture."""

LARGEST = 2**26
"""Bytes of a file above which it is no picture of :func:`save`."""


def line(style: Style, *, dashed: bool = False) -> dict[str, Any]:
    """Colour and dashes of a line, as matplotlib takes them."""
    dashes = style.dashes(dashed=dashed)
    return {"color": COLOURS[style.colour], "linestyle": (0, dashes) if dashes else "-"}


def canvas(rows: int, columns: int, size: tuple[float, float], **settings: Any) -> tuple[Figure, Any]:
    """An empty figure of ``size`` inches, and its axes as an array of (rows, columns).

    Args:
        settings: those of :meth:`matplotlib.figure.Figure.subplots`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **settings)


def stacked(heights: Sequence[float], width: float) -> tuple[Figure, list[SubFigure]]:
    """An empty figure of parts one below the other, each with axes and a legend of its own; in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    return figure, list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])


def save(figure: Figure, path: Path) -> None:
    """Write a figure, completely or not at all, in the format of the file's suffix (.png, .svg or
    .pdf). The same figure gives the same bytes.

    Raises:
        OSError: ``path`` cannot be written. The error names it.
    """
    from matplotlib import rc_context

    image, kind = io.BytesIO(), path.suffix[1:]
    facts = {"png": {"Software": MARK}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    facts |= {} if kind == "png" else {"Creator": MARK}
    with rc_context({"svg.hashsalt": "didact"}):  # SVG's identifiers are random otherwise
        figure.savefig(image, format=kind, dpi=120, metadata=facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, image.getvalue())


def own(path: Path) -> bool:
    """Whether the file at ``path`` was written by :func:`save`, which may then replace it."""
    return path.is_file() and path.stat().st_size < LARGEST and MARK.encode() in path.read_bytes()
