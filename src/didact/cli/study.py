"""What ``didact study`` does: train a paper's grid, print its tables beside the published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from didact.cli import answer
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
from didact.report import text
from didact.spec import SpecError, nearest, shown
from didact.streams import say
from didact.track import terminal

if TYPE_CHECKING:
    from rich.console import Console

    from didact.execution import Execution
    from didact.store.store import Store
    from didact.tables.study import Sheet

STUDIES = ("gtn", "sftn")


def study(
    name: Annotated[str, Parameter(help="gtn or sftn.")],
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    compile: Compile = False,
    test_every: TestEvery = 1,
    cohort_size: Together = 16,
    retry: Retry = False,
    markdown: Markdown = False,
    picture: Picture = None,
    json: Json = False,
) -> int:
    """Train and print; what ``--help`` says stands where the command is named."""
    from didact.execution import Execution
    from didact.request.tokens import parse
    from didact.store.store import Store

    if name not in STUDIES:
        raise SpecError(f"unknown study {shown(name)}{nearest(name, STUDIES)}")
    form = answer.form(json, markdown)
    picture = answer.picture_path(picture)
    execution = Execution(device=answer.device(device), compiled=compile, test_every=test_every, cohort_size=cohort_size)
    talk = text.stderr()
    kept = Store(store, talk.print)
    asked = _gtn if name == "gtn" else _sftn
    found = asked(parse(settings), kept, execution, talk, retry)
    if form == "json":
        tables = [{"title": s.title, "note": s.note, "figures": s.plain} for s in found.sheets if s.plain is not None]
        answer.print_json({"title": found.title, "students": dict(found.students), "tables": tables})
    else:
        print_sheets(found, in_markdown=form == "markdown")
    if picture is not None and not found.draw(picture):
        talk.print("no picture: nothing is finished that it could show")
    for digest, reason in found.failures.items():
        talk.print(f"FAILED {digest}: {reason}")
    return 1 if found.failures else 0


@dataclass(frozen=True)
class StudyOutput:
    """What a study has to say."""

    title: str
    sheets: Sequence[Sheet]
    published: Sequence[Sheet]
    students: Mapping[str, str]
    failures: Mapping[str, str]
    draw: Callable[[Path], bool]


def _gtn(wanted: Any, kept: Store, execution: Execution, talk: Console, retry: bool) -> StudyOutput:
    from didact.papers import gtn

    made = gtn.study(wanted, execution.device)
    found = made.train(kept, execution, terminal.show(talk), retry=retry)
    sheets = [*(made.accuracies(found.records, m) for m in made.methods), *gtn.costs(made, found.records)]

    def draw(picture: Path) -> bool:
        from didact.report.generic import generic

        return generic(made, found.records, picture)

    return StudyOutput(made.title, sheets, made.published, made.students, found.failures, draw)


def _sftn(wanted: Any, kept: Store, execution: Execution, talk: Console, retry: bool) -> StudyOutput:
    from didact.papers import sftn

    made = sftn.study(wanted, execution.device)
    found = made.train(kept, execution, terminal.show(talk), retry=retry)
    sheets = made.sheets(kept, execution.device, lambda line: talk.print(f"  {line}"))

    def draw(picture: Path) -> bool:
        from didact.report.sheets import drawn

        return drawn(sheets, picture)

    return StudyOutput("SFTN", sheets, made.published, {}, found.failures, draw)


def print_sheets(found: StudyOutput, in_markdown: bool) -> None:
    for sheet in (*found.sheets, *found.published):
        if in_markdown:
            say(markdown(sheet))
        else:
            text.print_rows(list(sheet.head), [list(row) for row in sheet.rows], sheet.title)
            say(f"{sheet.note}\n")
    for label, net in found.students.items() if not in_markdown else ():
        say(f"{label}: {net}")


def markdown(sheet: Sheet) -> str:
    """The sheet for documents."""
    lines = ["| " + " | ".join(sheet.head) + " |", "|" + "---|" * len(sheet.head)]
    lines += ["| " + " | ".join(row) + " |" for row in sheet.rows]
    return f"**{sheet.title}**\n\n" + "\n".join(lines) + f"\n\n{sheet.note}\n"
