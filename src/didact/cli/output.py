"""How commands print: tables in one of several forms, JSON, and the place of a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.files.disk import UnwritableError
from didact.spec import RequestError, SpecError, shown, strict_json
from didact.streams import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from didact.tables.table import Table

Form = Literal["text", "markdown", "csv", "latex", "html", "json"]

Format = Annotated[Form, Parameter(name="--format", help="How tables are printed; json is for programs.")]


def form(format: Form, json: bool) -> Form:
    """The form that the options ``--format`` and ``--json`` name.

    Raises:
        SpecError: they name different ones.
    """
    if json and format not in ("text", "json"):
        raise SpecError(f"--json and --format {format} are two forms of the same tables; leave one of them out")
    return "json" if json else format


def emit(tables: Sequence[Table], form: Form, plain: Any = None) -> None:
    """Print tables on standard output.

    Args:
        form: how.
        plain: what is printed for "json".
    """
    if form == "json":
        print_json(plain)
    elif form == "text":
        from didact.report.text import print_table, stdout

        for at, table in enumerate(tables):
            if at:
                say()
            print_table(stdout(), table)
    else:
        from didact.report import csv, html, latex, markdown

        render = {"csv": csv.render, "html": html.render, "latex": latex.render, "markdown": markdown.render}[form]
        say("\n".join(map(render, tables)).rstrip("\n"))


def print_json(value: Any) -> None:
    """For programs; what is not a finite number is null."""
    say(strict_json(value, indent=1))


def picture_path(path: Path | None, files: Callable[[Path], Iterable[Path]] = lambda path: [path]) -> Path | None:
    """Where a picture goes, with ``~`` expanded; looked at before anything is computed for it. Missing
    folders are made, as for all files that commands write. Those of ``--output`` are new; a picture
    may replace one that didact drew.

    Args:
        files: those of a picture that is several files, by its path.

    Raises:
        SpecError: the name ends in no kind of picture, or there can be no file of that name.
        RequestError: there is a file that didact has not drawn.
        UnwritableError: the disk refuses.
    """
    if path is None:
        return None
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise SpecError(f"picture: a name that ends in .png, .svg or .pdf, found {shown(str(path))}")
    path = Path(os.path.expanduser(path))
    for file in files(path):
        _check_picture(file)
    return path


def _check_picture(path: Path) -> None:
    above = next(folder for folder in (*path.parents, Path()) if folder.exists())
    message = f"picture: no file can be written at {shown(str(path))}"
    if path.is_dir() or not above.is_dir():
        raise SpecError(message)
    if not os.access(path if path.exists() else above, os.W_OK):
        raise UnwritableError(message)
    if os.path.lexists(path):
        from didact.report.figures.canvas import own

        if not own(path):
            raise RequestError(f"picture: {path} exists, and didact has not drawn it; name another, or remove it")


def save_picture(figure: Figure, path: Path, form: Form) -> None:
    """Write a picture and say where it is, and that another one was there; on standard error where
    tables for programs are on standard output."""
    from didact.report.figures.canvas import save

    instead = ", instead of an earlier one" if path.exists() else ""
    save(figure, path)
    say(f"Picture: {path}{instead}", to_stderr=form != "text")
