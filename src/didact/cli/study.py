"""What ``didact study`` does: train a paper's grid, print its tables beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from didact.cli import answer, terminal
from didact.spec import SpecError, nearest
from didact.studies.execute import Where
from didact.studies.store import Store
from didact.studies.study import Sheet, Study

STUDIES = ("gtn",)


def study(
    name: str,
    settings: Mapping[str, Any],
    store: Path,
    where: Where,
    *,
    retry: bool = False,
    form: str = "table",
    picture: Path | None = None,
) -> int:
    """Ask for the study's runs, then print its tables. ``form``: table, markdown or json.

    Raises:
        SpecError: no such study, or settings that it cannot have.
    """
    if name not in STUDIES:
        raise SpecError(f"unknown study {name!r}{nearest(name, STUDIES)}")
    from didact.papers import gtn

    made = gtn.study(settings, where.device)
    talk = terminal.stderr()
    kept = Store(store, lambda message: talk.print(message, markup=False))
    found = made.ask(kept, where, terminal.show(talk), retry=retry)
    print_sheets(
        [*(made.accuracies(found.records, m) for m in made.methods), *gtn.costs(made, found.records), *made.published],
        made,
        form,
    )
    if picture is not None:
        from didact.report.generic import generic

        generic(made, found.records, picture)
    for digest, reason in found.failures.items():
        talk.print(f"FAILED {digest}: {reason}", markup=False)
    return 1 if found.failures else 0


def print_sheets(sheets: list[Sheet], made: Study, form: str) -> None:
    if form == "json":
        plain = [{"title": s.title, "note": s.note, "figures": s.plain} for s in sheets if s.plain is not None]
        answer.print_json({"title": made.title, "students": dict(made.students), "tables": plain})
        return
    for sheet in sheets:
        if form == "markdown":
            print(markdown(sheet))
        else:
            terminal.print_rows(list(sheet.head), [list(row) for row in sheet.rows], sheet.title)
            print(f"{sheet.note}\n")
    if form == "table":
        for label, net in made.students.items():
            print(f"{label}: {net}")


def markdown(sheet: Sheet) -> str:
    """The sheet for documents."""
    lines = ["| " + " | ".join(sheet.head) + " |", "|" + "---|" * len(sheet.head)]
    lines += ["| " + " | ".join(row) + " |" for row in sheet.rows]
    return f"**{sheet.title}**\n\n" + "\n".join(lines) + f"\n\n{sheet.note}\n"
