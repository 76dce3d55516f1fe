"""``didact study``: train a paper's tables, print them and the published ones. Imports no torch
before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact.cli import answer, exports
from didact.cli.computing import USUAL, Computing
from didact.cli.exports import ExportBits, ExportFolder, ExportTo
from didact.cli.options import (
    STORE,
    Device,
    Devices,
    Json,
    Picture,
    Plan,
    Retry,
    Settings,
    StorePath,
    Throughput,
    Track,
    WeightScales,
)
from didact.cli.output import Form, Format, emit, form, picture_path, save_picture
from didact.launcher import follows
from didact.spec import SpecError
from didact.streams import say

if TYPE_CHECKING:
    from rich.console import Console

    from didact.execution import Execution, Outcome
    from didact.papers.contract import Paper
    from didact.runs.run import Run
    from didact.store.store import Store
    from didact.tables.table import Table


def study(
    name: Annotated[
        str, Parameter(help="A name from didact list studies, such as sftn-4; mine.py or module:NAME for your own.")
    ],
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    computing: Computing = USUAL,
    plan: Plan = False,
    throughput: Throughput = None,
    devices: Devices = None,
    retry: Retry = False,
    export: ExportTo = None,
    bits: ExportBits = None,
    folder: ExportFolder = None,
    weight_scales: WeightScales = None,
    track: Track = None,
    picture: Picture = None,
    published: Annotated[
        bool, Parameter(negative="", help="With --only: print the paper's own tables as well, which are whole.")
    ] = False,
    format: Format = "text",
    json: Json = False,
) -> int:
    """Train and print; the help stands where the command is named."""
    from didact.papers.contract import find
    from didact.request.tokens import parse

    make = find(name)
    shape = form(format, json)
    picture = picture_path(picture)
    where = answer.device(device)
    exported = exports.asked(export, bits, folder, weight_scales, plan=plan)
    tree = parse(settings, lambda tree: make(tree, where))
    if published and "only" not in tree:
        raise SpecError("published: is for --only; without it the paper's own tables are printed anyway")
    paper = make(tree, where)
    execution = computing.execution(where, usual=1 if getattr(paper, "timed", False) else "auto")
    planner = answer.planner(plan, throughput, devices, execution.executor, track)
    if planner is not None:
        return answer.forecast(planner, paper, store, execution, throughput, retry=retry, form=shape)
    sheets = published or "only" not in tree
    return _carried_out(paper, store, execution, exported, track, (shape, picture), retry=retry, sheets=sheets)


def _carried_out(
    paper: Paper,
    store: Path,
    execution: Execution,
    exported: exports.Exports | None,
    track: Track,
    output: tuple[Form, Path | None],
    *,
    retry: bool,
    sheets: bool,
) -> int:
    """Train what is missing, then print; ``output``: the form of the tables, and where a picture
    goes; ``sheets``: whether the paper's own tables are printed."""
    from didact.report.text import stderr
    from didact.store.store import Store

    shape, picture = output
    talk = stderr()
    records = Store(store, talk.print)
    students = exports.students(paper) if exported is not None else []
    if exported is not None:
        exported.check(records, students)
    with answer.tracked(track, records, talk) as show:
        outcome = paper.train(records, execution, show, retry=retry)
    if follows():
        return 1 if outcome.failures else 0
    tables = paper.tables(records, execution.device, lambda line: talk.print(f"  {line}"))
    _print(paper, tables, shape, sheets=sheets)
    if picture is not None:
        _draw(paper, tables, records, (shape, picture), talk)
    code = _told(paper, outcome, talk)
    if exported is not None:
        code = max(code, exported.write(records, exports.front(records, students), to_stderr=shape != "text"))
    return code


def _told(paper: Paper, outcome: Outcome, talk: Console) -> int:
    """Say which runs are no better than guessing, and which failed, and why. The exit code."""
    from didact.runs.run import everything

    runs: list[Run] = list(getattr(paper, "runs", ()))
    answer.tell_guessing(runs, outcome.records, talk)
    labels = {run.digest: f"{run.label} " for run in everything(runs)}
    for digest, reason in outcome.failures.items():
        talk.print(f"FAILED {labels.get(digest, '')}({digest}): {reason}")
    return 1 if outcome.failures else 0


def _print(paper: Paper, tables: Sequence[Table], form: Form, *, sheets: bool) -> None:
    from didact.papers.only import left_out

    plain = [{"title": t.title, "note": t.note, "figures": t.figures} for t in tables]
    students = dict(paper.students)
    emit(
        [*tables, *(paper.published if sheets else ())], form, {"title": paper.title, "students": students, "tables": plain}
    )
    if form == "text":
        say()
        for label, net in students.items():
            say(f"{label}: {net}")
    line = None if sheets or form == "json" else left_out(paper.published)
    if line is not None:
        say(f"{line} --published prints all.", to_stderr=form != "text")


def _draw(paper: Paper, tables: Sequence[Table], store: Store, output: tuple[Form, Path], talk: Console) -> None:
    from didact.report.figures.study import study

    shape, picture = output
    figure = study(paper, tables, store)
    if figure is None:
        talk.print("no picture: nothing is finished that it could show")
    else:
        save_picture(figure, picture, shape)
