"""From runs to what a person sees: train what is missing, then tables and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from didact.cli.output import Form, emit, save_picture
from didact.launcher import follows
from didact.spec import SpecError, cut, shown

if TYPE_CHECKING:
    from rich.console import Console

    from didact.execution import Execution
    from didact.execution.executor import Executor
    from didact.execution.forecast import Planner
    from didact.papers.contract import Paper
    from didact.runs.run import Run
    from didact.store.record import Record
    from didact.store.store import Store
    from didact.track.tracker import Tracked


PROCESSORS = ("cpu", "cuda", "mps", "xpu")
"""Kinds of devices that compute; torch knows others, such as meta, that hold no numbers."""


def answer(
    runs: list[Run],
    store: Path,
    execution: Execution,
    *,
    retry: bool = False,
    picture: str | None = None,
    hints: bool = False,
    form: Form = "text",
    track: Sequence[str] | None = None,
) -> int:
    """Train the runs that are missing, then print tables of all. Returns 1 when one of them failed,
    else 0."""
    from didact.execution import execute
    from didact.report import text
    from didact.runs.run import everything
    from didact.store.store import Store

    talk = text.stderr()
    records = Store(store, talk.print)
    with tracked(track, records, talk) as show:
        outcome = execute(runs, records, execution, show, retry=retry)
    if follows():
        return 1 if outcome.failures else 0
    finished = [(run, outcome.records[run.digest]) for run in everything(runs) if run.digest in outcome.records]
    image = store / picture if picture else None
    if any(run.digest in outcome.records for run in runs):
        report(records, runs, finished, execution.device, image, form)
    tell_guessing(runs, outcome.records, talk)
    for run in everything(runs):
        if run.digest in outcome.failures:
            talk.print(f"FAILED {run.label} ({run.digest}): {outcome.failures[run.digest]}")
    if hints and form == "text":
        text.print_hints(store)
    return 1 if outcome.failures else 0


def tell_guessing(runs: Iterable[Run], records: Mapping[str, Record], talk: Console) -> None:
    """Print a warning that names the networks that are no better than guessing: of ``runs`` and all
    that they need, those that were trained. Under every table of accuracies.

    Args:
        records: of the finished ones, by digest.
    """
    from didact.runs.guessing import warning
    from didact.runs.run import everything

    finished = [(run, records[run.digest]) for run in everything(list(runs)) if run.given is None and run.digest in records]
    line = warning((run, record.final()["test_top1"], record.tested) for run, record in finished)
    if line is not None:
        talk.print(line, soft_wrap=True)


def tracked(track: Sequence[str] | None, store: Store, talk: Console) -> Tracked:
    """Progress on the terminal and, for the texts of ``--track``, elsewhere; a context. Of several processes one tracks.

    Raises:
        RequestError: there is no such tracker, or its library is missing.
    """
    from didact.track import terminal
    from didact.track.choice import notes, trackers
    from didact.track.tracker import Tracked

    texts = () if follows() else track or ()
    opened_trackers = trackers(texts, store.root)
    for line in notes(texts):
        talk.print(line)
    return Tracked(terminal.show(talk), opened_trackers, talk.print)


def planner(
    plan: bool, throughput: float | None, devices: int | None, jobs: Executor | str, track: Sequence[str] | None = None
) -> Planner | None:
    """What takes the place of ``jobs`` with ``--plan``; None without.

    Args:
        track: the texts of ``--track``, which a plan checks and does not use.

    Raises:
        SpecError: a setting of a plan, and no plan; or no such tracker.
    """
    from didact.execution.forecast import Planner
    from didact.track.choice import check

    if plan:
        check(track or ())
        return Planner(devices or (1 if isinstance(jobs, str) else jobs.slots))
    for name, value in (("throughput", throughput), ("devices", devices)):
        if value is not None:
            raise SpecError(f"{name}: is for a plan; write --plan, too")
    return None


def forecast(
    planner: Planner,
    runs: Sequence[Run] | Paper,
    store: Path,
    execution: Execution,
    throughput: float | None,
    *,
    retry: bool,
    form: Form,
) -> int:
    """Print what it takes to train what is missing of ``runs``, or of a study.

    Args:
        throughput: billions of operations a second of a device; None to time some steps here.
    """
    from dataclasses import replace

    from didact.execution import execute
    from didact.execution.forecast import Speed, measured, planned
    from didact.machine import memory
    from didact.report.text import stderr
    from didact.store.store import Store
    from didact.tables import forecast as tables

    talk = stderr()
    records, execution = Store(store, talk.print), replace(execution, executor=planner)
    if isinstance(runs, Sequence):
        execute(runs, records, execution, retry=retry)
    else:
        runs.train(records, execution, retry=retry)
    jobs = planned(planner.jobs, talk.print)
    if throughput is not None:
        speed = Speed(throughput * 1e9, "as stated")
    else:
        speed = measured(jobs, execution.device) if jobs else Speed(1e9, "with nothing to time")
    missing = {run.digest for one in jobs for run in one.job.runs}
    finished = len(planner.finished - missing)
    table, plain = tables.forecast(jobs, finished, speed, planner.slots, memory(execution.device))
    emit([table], form, plain)
    return 0


def unread(store: Path) -> Store:
    """The store at ``store``, which need not be there yet; what a person should know of it goes to
    standard error."""
    from didact.report.text import stderr
    from didact.store.store import Store

    return Store(store, stderr().print)


def opened(store: Path, trust: bool, named: Iterable[str] = ()) -> Store:
    """The store at ``store`` for a command that reads it; what a person should know of it goes to
    standard error.

    Args:
        trust: whether code that its Records name is imported and called.
        named: names of such code in the request.

    Raises:
        SpecError: there is no store.
    """
    from didact.report.text import stderr
    from didact.store.store import Store

    records = Store(store, stderr().print, trust=trust, named=named)
    if not (records.root / "runs").is_dir():
        lacks = "holds no runs" if records.root.exists() else "does not exist"
        raise SpecError(f"store: {records.root} {lacks}; name another by --store, or train some first: didact quickstart")
    return records


def nothing_finished(store: Store) -> SpecError:
    """The error of a command that finds no finished run in ``store``: none is there, or their code is not trusted."""
    from didact.store.entries import Listed

    left = sum(isinstance(entry, Listed) for entry in store.entries())
    if left:
        return SpecError(f"no finished run in {store.root} that may be read; add --trust-store for the {left} left out")
    return SpecError(f"no finished run in {store.root}; train some first: didact quickstart")


def finished(store: Path, trust: bool, name: str) -> Run:
    """The finished run of the store that ``--start`` names; ``trust`` as for :func:`opened`.

    Raises:
        SpecError: there is no such run, or no store.
    """
    from didact.store.choice import chosen

    try:
        return chosen(opened(store, trust), name)[0]
    except SpecError as error:
        raise SpecError(f"start: {error}") from None


def report(
    store: Store, runs: list[Run], finished: list[tuple[Run, Record]], device: str, picture: Path | None, form: Form
) -> None:
    """Tables of ``runs`` on standard output, and their picture; ``finished`` also holds their
    teachers."""
    from didact.measure.similarity import similarities
    from didact.tables.comparison import comparisons

    compared = comparisons(finished, {run.digest for run in runs}, similarities(store, runs, device))
    emit([table for item in compared for table in item.tables()], form, [item.plain() for item in compared])
    if picture is not None:
        from didact.report.figures.comparison import comparison

        save_picture(comparison(compared, finished), picture, form)


def device(name: str | None) -> str:
    """The device that ``--device`` names, by default the GPU when there is one.

    Raises:
        SpecError: torch cannot compute there.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if name.partition(":")[0] not in PROCESSORS:
            raise RuntimeError("unknown processor")
        place = torch.device(name)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = cut(str(error).splitlines()[0])
        usable = "cpu or cuda" if torch.cuda.is_available() else "cpu, or leave it out"
        raise SpecError(f"device {shown(name)} cannot be used here: {reason}; write {usable}") from None
    if place.type == "cpu" and place.index:
        raise SpecError(f"device {shown(name)}: there is one cpu; write cpu")
    return "cpu" if place.type == "cpu" else name
