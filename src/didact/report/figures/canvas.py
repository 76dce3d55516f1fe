"""An empty figure, the colours of lines and bars, and saving a figure to a file.

pyplot is not used and no backend is selected, so a notebook's own settings stay as they are.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.files.checked import write
from didact.report.styles import Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000")
"""Paul Tol's bright scheme and black; colour-blind readers can distinguish them."""


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


def save(figure: Figure, path: Path) -> None:
    """Write a figure, completely or not at all, in the format of the file's suffix. The same figure
    gives the same bytes.

    Raises:
        OSError: ``path`` cannot be written. The error names it.
    """
    from matplotlib import rc_context

    image, kind = io.BytesIO(), path.suffix[1:]
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context({"svg.hashsalt": "didact"}):  # SVG's identifiers are random otherwise
        figure.savefig(image, format=kind, dpi=120, metadata=dated)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, image.getvalue())
