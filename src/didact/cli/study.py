"""``didact study``: train a paper's tables, print them and the published ones. Imports no torch before it runs."""

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
    Picture,
    Processes,
    Retry,
    Settings,
    StorePath,
    TestEvery,
    Together,
)
from didact.cli.output import Form, Format, emit, form, picture_path
from didact.spec import SpecError, nearest, shown
from didact.streams import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

    from didact.execution import Execution
    from didact.store.store import Store
    from didact.tables.table import Table

STUDIES = ("gtn", "sftn")


def study(
    name: Annotated[str, Parameter(help="gtn or sftn.")],
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    compile: Compile = False,
    test_every: TestEvery = 1,
    cohort_size: Together = 16,
    workers: Processes = 1,
    retry: Retry = False,
    picture: Picture = None,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Train and print; the help stands where the command is named."""
    from didact.execution import Execution
    from didact.report.text import stderr
    from didact.request.tokens import parse
    from didact.store.store import Store

    if name not in STUDIES:
        raise SpecError(f"unknown study {shown(name)}{nearest(name, STUDIES)}")
    shape = form(format, json)
    picture = picture_path(picture)
    execution = Execution(
        device=answer.device(device),
        compiled=compile,
        test_every=test_every,
        cohort_size=cohort_size,
        executor=answer.executor(workers),
    )
    talk = stderr()
    ask = _gtn if name == "gtn" else _sftn
    results = ask(parse(settings), Store(store, talk.print), execution, talk, retry)
    _print(results, shape)
    if picture is not None:
        _draw(results, picture, talk)
    for digest, reason in results.failures.items():
        talk.print(f"FAILED {digest}: {reason}")
    return 1 if results.failures else 0


@dataclass(frozen=True)
class Results:
    """What a study found.

    Attributes:
        title: what was studied.
        tables: its tables. published: the paper's.
        students: networks by the labels of the tables, where these are short.
        failures: by digest of the run, why it has no Record.
        draw: the figure; None where nothing is finished that it could show.
    """

    title: str
    tables: Sequence[Table]
    published: Sequence[Table]
    students: Mapping[str, str]
    failures: Mapping[str, str]
    draw: Callable[[], Figure | None]


def _gtn(settings: Any, store: Store, execution: Execution, talk: Console, retry: bool) -> Results:
    from didact.papers import gtn
    from didact.track import terminal

    paper = gtn.study(settings, execution.device)
    outcome = paper.train(store, execution, terminal.show(talk), retry=retry)

    def draw() -> Figure | None:
        from didact.report.figures.generic import generic

        return generic(paper, outcome.records)

    tables = gtn.tables(paper, outcome.records)
    return Results(paper.title, tables, paper.published, paper.students, outcome.failures, draw)


def _sftn(settings: Any, store: Store, execution: Execution, talk: Console, retry: bool) -> Results:
    from didact.papers import sftn
    from didact.track import terminal

    paper = sftn.study(settings, execution.device)
    outcome = paper.train(store, execution, terminal.show(talk), retry=retry)
    tables = paper.tables(store, execution.device, lambda line: talk.print(f"  {line}"))

    def draw() -> Figure | None:
        from didact.report.figures.grid import grid

        return grid(tables)

    return Results("SFTN", tables, paper.published, {}, outcome.failures, draw)


def _print(results: Results, form: Form) -> None:
    plain = [{"title": t.title, "note": t.note, "figures": t.figures} for t in results.tables]
    students = dict(results.students)
    emit([*results.tables, *results.published], form, {"title": results.title, "students": students, "tables": plain})
    if form == "text":
        say()
        for label, net in students.items():
            say(f"{label}: {net}")


def _draw(results: Results, picture: Path, talk: Console) -> None:
    from didact.report.figures import canvas

    figure = results.draw()
    if figure is None:
        talk.print("no picture: nothing is finished that it could show")
    else:
        canvas.save(figure, picture)
