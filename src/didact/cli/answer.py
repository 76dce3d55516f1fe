"""From runs to what a person sees: train what is missing, then tables, a picture, or JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.spec import SpecError, cut, shown, strict_json
from didact.streams import say

if TYPE_CHECKING:
    from didact.store.store import Store


PROCESSORS = ("cpu", "cuda", "mps", "xpu")
"""Kinds of devices that compute; torch knows others, such as meta, that hold no numbers."""


def answer(
    runs: list[Any],
    store: Path,
    where: Any,
    *,
    retry: bool = False,
    picture: str | None = None,
    hints: bool = False,
    as_json: bool = False,
) -> int:
    """Ask for the runs, then report. 1 when one of them failed."""
    from didact.execution import execute
    from didact.report import text
    from didact.runs.run import everything
    from didact.store.store import Store
    from didact.track import terminal

    talk = text.stderr()
    kept = Store(store, talk.print)
    answer = execute(runs, kept, where, terminal.show(talk), retry=retry)
    found = [(run, answer.records[run.digest]) for run in everything(runs) if run.digest in answer.records]
    image = store / picture if picture else None
    if any(run.digest in answer.records for run in runs):
        report(kept, runs, found, where.device, image, "json" if as_json else "table")
    for run in everything(runs):
        if run.digest in answer.failures:
            talk.print(f"FAILED {run.label} ({run.digest}): {answer.failures[run.digest]}")
    if hints:
        text.print_hints(store, image)
    return 1 if answer.failures else 0


def opened(store: Path, trust: bool, named: Iterable[str] = ()) -> Store:
    """The store at ``store`` for a command that reads it; what a person should know of it goes to standard error.

    Args:
        trust: whether code that its Records name is imported and called.
        named: names of such code in the request.

    Raises:
        SpecError: there is no store.
    """
    from didact.report.text import stderr
    from didact.store.store import Store

    kept = Store(store, stderr().print, trust=trust, named=named)
    if not (kept.root / "runs").is_dir():
        lacks = "holds no runs" if kept.root.exists() else "does not exist"
        raise SpecError(f"store: {kept.root} {lacks}; name another by --store, or train some first: didact quickstart")
    return kept


def report(kept: Any, runs: list[Any], found: list[Any], device: str, picture: Path | None, form: str) -> None:
    """Tables of ``runs`` on standard output; ``found`` also holds their teachers."""
    from didact.measure.similarity import similarities
    from didact.report import text
    from didact.tables.table import markdown as as_markdown
    from didact.tables.table import tables

    similar = similarities(kept, runs, device)
    wanted = {run.digest for run in runs}
    made = tables(found, wanted, similar)
    if form == "json":
        print_json([table.plain() for table in made])
    for table in made if form != "json" else ():
        if form == "markdown":
            say(as_markdown(table))
        else:
            text.print_table(text.stdout(), table)
    if picture is not None:
        from didact.report.figures import comparison

        comparison(made, found, picture)


def picture_path(path: Path | None) -> Path | None:
    """Where a picture goes, with ``~`` expanded; looked at before anything is computed for it.

    Raises:
        SpecError: the name ends in no kind of picture, or no file of that name can be written.
    """
    if path is None:
        return None
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise SpecError(f"picture: a name that ends in .png, .svg or .pdf, found {shown(str(path))}")
    path = Path(os.path.expanduser(path))
    above = next(folder for folder in (*path.parents, Path()) if folder.exists())
    if path.is_dir() or not above.is_dir() or not os.access(path if path.exists() else above, os.W_OK):
        raise SpecError(f"picture: no file can be written at {shown(str(path))}")
    return path


def form(json: bool, markdown: bool) -> str:
    """How tables are printed: "json", "markdown" or "table".

    Raises:
        SpecError: both forms are requested.
    """
    if json and markdown:
        raise SpecError("--json and --markdown are two forms of the same tables; leave one of them out")
    return "json" if json else "markdown" if markdown else "table"


def device(asked: str | None) -> str:
    import torch

    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if asked.partition(":")[0] not in PROCESSORS:
            raise RuntimeError("unknown processor")
        place = torch.device(asked)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = cut(str(error).splitlines()[0])
        raise SpecError(f"device {shown(asked)} cannot be used here: {reason}; write cpu or cuda") from None
    if place.type == "cpu" and place.index:
        raise SpecError(f"device {shown(asked)}: there is one cpu; write cpu")
    return "cpu" if place.type == "cpu" else asked


def print_json(value: Any) -> None:
    """For programs; what is not a finite number is null."""
    say(strict_json(value, indent=1))


def print_markdown(heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table in Markdown, and an empty line."""
    lines = [list(heading), ["---"] * len(heading), *([str(value) for value in row] for row in rows)]
    for line in lines:
        say("| " + " | ".join(value.replace("|", "\\|") for value in line) + " |")
    say()
