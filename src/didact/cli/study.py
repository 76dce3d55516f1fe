"""What ``didact study`` does: train a paper's grid, print its tables beside the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli import answer, terminal
from didact.cli.options import (
    STORE,
    Compile,
    Device,
    Json,
    Markdown,
    Picture,
    Retry,
    Settings,
    StorePath,
    TestEvery,
    Together,
)
from didact.spec import SpecError, nearest

if TYPE_CHECKING:
    from didact.studies.study import Sheet, Study

STUDIES = ("gtn",)


def study(
    name: Annotated[str, Parameter(help="gtn.")],
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    compile: Compile = False,
    test_every: TestEvery = 1,
    together: Together = 16,
    retry: Retry = False,
    markdown: Markdown = False,
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Train and print; what ``--help`` says stands where the command is named."""
    from didact.cli.settings import parse
    from didact.studies.execute import Where
    from didact.studies.store import Store

    if name not in STUDIES:
        raise SpecError(f"unknown study {name!r}{nearest(name, STUDIES)}")
    answer.check_picture(picture)
    from didact.papers import gtn

    where = Where(device=answer.device(device), compiled=compile, test_every=test_every, together=together)
    made = gtn.study(parse(settings), where.device)
    talk = terminal.stderr()
    kept = Store(store, lambda message: talk.print(message, markup=False))
    found = made.ask(kept, where, terminal.show(talk), retry=retry)
    sheets = [made.accuracies(found.records, m) for m in made.methods]
    sheets += [*gtn.costs(made, found.records), *made.published]
    print_sheets(sheets, made, "json" if json else "markdown" if markdown else "table")
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
