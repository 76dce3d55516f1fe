"""The commands. Exit codes: 0 done, 2 wrong request (before any training), 1 failed, 130 interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from didact import __version__
from didact.spec import RequestError, SpecError

app = App(
    name="didact",
    version=__version__,
    help="Student-aware knowledge distillation: train teachers that teach, distil from them, compare.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)

StorePath = Annotated[Path, Parameter(name="--store", help="Folder of Records.", env_var="DIDACT_STORE")]
Device = Annotated[str | None, Parameter(help="cpu, cuda, cuda:1 ...; the GPU when there is one, by default.")]
Compile = Annotated[bool, Parameter(name="--compile", negative="", help="Compile networks with torch.compile.")]
Exact = Annotated[bool, Parameter(negative="", help="Ask torch for deterministic kernels (matters on a GPU).")]
TestEvery = Annotated[int, Parameter(help="Epochs between evaluations; the last epoch is always evaluated.")]
Together = Annotated[int, Parameter(help="At most so many learners at a time; bounds memory, changes no result.")]
Retry = Annotated[bool, Parameter(negative="", help="Go on from the last good state with runs that failed before.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs.")]
Settings = Annotated[str, Parameter(allow_leading_hyphen=True, help="--setting value, as listed below.", show=False)]
STORE = Path("didact-runs")


@app.command
def quickstart(
    *,
    data: Annotated[str, Parameter(help="digits (embedded) or cifar100.")] = "digits",
    seeds: Annotated[int, Parameter(help="Training seeds of each student.")] = 3,
    store: StorePath = STORE,
    device: Device = None,
) -> int:
    """The main job at small scale: a standard and a student-friendly teacher, students of both, who taught better."""
    from didact.studies.execute import Where
    from didact.studies.quickstart import TEST_EVERY
    from didact.studies.quickstart import quickstart as study

    where = Where(device=_device(device), test_every=TEST_EVERY)
    return _answer(study(data, seeds, where.device), store, where, picture=f"quickstart-{data}.png", hints=True)


@app.command
def train(
    *settings: Settings,
    store: StorePath = STORE,
    device: Device = None,
    compile: Compile = False,
    exact: Exact = False,
    test_every: TestEvery = 1,
    together: Together = 16,
    retry: Retry = False,
    json: Json = False,
) -> int:
    """Train what is missing, teachers first, and show the results.

    didact train --net resnet8x4 --data cifar100 --teacher.net resnet32x4 --teacher.how standard,sftn --method kd,at+kd --seeds 3
    """
    from didact.cli.settings import parse
    from didact.studies.execute import Where
    from didact.studies.plan import plan

    where = Where(device=_device(device), compiled=compile, exact=exact, test_every=test_every, together=together)
    return _answer(plan(parse(settings), where.device), store, where, retry=retry, as_json=json)


@app.command(name="list")
def list_(
    what: Annotated[str, Parameter(help="nets, methods, data, recipes, settings or runs.")],
    *,
    store: StorePath = STORE,
    json: Json = False,
) -> int:
    """What there is to choose from: nets, methods, data, recipes, settings, or the runs in the store."""
    from didact.cli.listings import listing

    heading, rows = listing(what, store)
    if json:
        _print_json([dict(zip(heading, row, strict=True)) for row in rows])
    else:
        from didact.cli.terminal import print_rows

        print_rows(heading, rows)
    return 0


@app.command
def show(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    store: StorePath = STORE,
    json: Json = False,
) -> int:
    """One run of the store: what it is, what it was computed with, how it went, where it lies."""
    from didact.cli.listings import details

    found = details(run, store)
    if json:
        _print_json(found)
    else:
        from didact.cli.terminal import print_details

        print_details(found)
    return 0


@app.command
def compare(
    *,
    net: Annotated[str | None, Parameter(help="Only students of this network.")] = None,
    data: Annotated[str | None, Parameter(help="Only this data set.")] = None,
    picture: Annotated[Path | None, Parameter(help="Save a picture there (png, svg or pdf).")] = None,
    markdown: Annotated[bool, Parameter(negative="", help="Print the tables in Markdown, for documents.")] = False,
    store: StorePath = STORE,
    device: Device = None,
    json: Json = False,
) -> int:
    """Who taught better: tables over all Records in the store, one for each student, data set and recipe. Trains nothing."""
    from didact import nets
    from didact.cli.terminal import stderr
    from didact.studies.store import Store

    if picture is not None and picture.suffix not in (".png", ".svg", ".pdf"):
        raise SpecError(f"picture: a name that ends in .png, .svg or .pdf, found {str(picture)!r}")
    kept = Store(store, lambda message: stderr().print(message, markup=False))
    wanted = net and nets.resolve(net)
    found = [(run, record) for run, record in kept.runs() if data in (None, run.data.name)]
    students = [run for run, _ in found if wanted in (None, run.net)]
    if not students:
        raise SpecError(
            f"no finished run in {store}" + (" fits" if net or data else "; train some first: didact quickstart")
        )
    _report(kept, students, found, _device(device), picture, "json" if json else "markdown" if markdown else "table")
    return 0


def _answer(
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
    from didact.cli import terminal
    from didact.studies.execute import ask
    from didact.studies.run import everything
    from didact.studies.store import Store

    talk = terminal.stderr()
    kept = Store(store, lambda message: talk.print(message, markup=False))
    answer = ask(runs, kept, where, terminal.show(talk), retry=retry)
    found = [(run, answer.records[run.digest]) for run in everything(runs) if run.digest in answer.records]
    image = store / picture if picture else None
    if any(run.digest in answer.records for run in runs):
        _report(kept, runs, found, where.device, image, "json" if as_json else "table")
    for run in everything(runs):
        if run.digest in answer.failures:
            talk.print(f"FAILED {run.label} ({run.digest}): {answer.failures[run.digest]}", markup=False)
    if hints:
        terminal.print_hints(store, image)
    return 1 if answer.failures else 0


def _report(kept: Any, runs: list[Any], found: list[Any], device: str, picture: Path | None, form: str) -> None:
    """Tables of ``runs`` on standard output; ``found`` also holds their teachers."""
    from didact.cli import terminal
    from didact.studies.similarity import similarities
    from didact.studies.table import markdown as as_markdown
    from didact.studies.table import tables

    similar = similarities(kept, runs, device)
    wanted = {run.digest for run in runs}
    made = tables(found, wanted, similar)
    if form == "json":
        _print_json([table.plain() for table in made])
    for table in made if form != "json" else ():
        if form == "markdown":
            print(as_markdown(table))
        else:
            terminal.print_table(terminal.stdout(), table)
    if picture is not None:
        from didact.report.figures import comparison

        comparison(made, found, picture)


def _device(asked: str | None) -> str:
    import torch

    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        raise SpecError(f"device {asked!r} cannot be used here: {str(error).splitlines()[0]}") from None
    return asked


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "" not in sys.path:
        sys.path.insert(0, "")  # networks and methods of one's own are found in the working directory, as by python -m
    if arguments[:1] == ["train"] and {"--help", "-h"} & set(arguments):
        from didact.cli.listings import settings_help

        app["train"].help_epilogue = settings_help()
    try:
        return app(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except (RequestError, CycloptsError) as error:
        return _say(f"{error}", 2)
    except KeyboardInterrupt:
        return _say("interrupted; what was trained is kept: ask again and it goes on from the last epoch", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nothing to say to it
        return 0
    except OSError as error:
        return _say(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), 1)


def _say(message: str, code: int) -> int:
    print(f"didact: {message}", file=sys.stderr)
    return code


def entry() -> None:
    """The console script."""
    sys.exit(main())
