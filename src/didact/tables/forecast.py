"""A forecast as a table: a row for each job, and below it what all of them take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from didact.execution.forecast import Planned, Speed, makespan
from didact.runs.labels import recipe_label, teacher_label, training_label
from didact.runs.run import Run
from didact.spec import Seed, plural
from didact.tables.table import Cell, Table

COLUMNS = ("job", "trains", "taught by", "data", "after", "epochs", "PFLOP", "memory (GB)", "disk (MB)", "time")


def forecast(jobs: Sequence[Planned], finished: int, speed: Speed, devices: int, available: int | None) -> tuple[Table, Any]:
    """The table, and the same for programs.

    Args:
        finished: how many of the runs have a Record.
        devices: how many jobs run at once, each on a device of this speed.
        available: bytes of memory of a device; None where that is not known.
    """
    seconds = {place: one.operations / speed.rate for place, one in enumerate(jobs)}
    where = {run.digest: place for place, one in enumerate(jobs) for run in one.job.runs}
    trains = _distinct([(one.first, _trains(one), _taught_by(one)) for one in jobs])
    rows = [_row(place, one, trains[place], seconds[place], where) for place, one in enumerate(jobs)]
    total = sum(one.operations for one in jobs)
    ends = makespan(jobs, seconds, devices) if jobs else 0.0
    plain = {
        "finished": finished,
        "jobs": [dict(zip(COLUMNS, row, strict=True)) | _figures(jobs[at], seconds[at]) for at, row in enumerate(rows)],
        "operations": total,
        "operations_per_second": speed.rate,
        "speed": speed.how,
        "devices": devices,
        "seconds_of_one_device": sum(seconds.values()),
        "seconds": ends,
    }
    note = "\n".join(_notes(jobs, finished, speed, devices, available, ends))
    return Table(COLUMNS, tuple(map(tuple, rows)), note=note, details=("PFLOP", "disk (MB)", "after", "data")), plain


def _trains(one: Planned) -> str:
    """The networks of a job and how they learn; seeds where they are not only 0."""
    names: dict[str, list[Seed]] = {}
    for run in one.job.runs:
        names.setdefault(training_label(run), []).append(run.seed)
    shown = []
    for name, seeds in names.items():
        label = name if len(seeds) == 1 else f"{len(seeds)} x {name}"
        shown.append(label if set(seeds) == {0} else f"{label} ({_seeds(seeds)})")
    return ", ".join(shown)


def _seeds(seeds: Sequence[Seed]) -> str:
    own = sorted(set(seeds))
    if len(own) > 2 and own[-1] - own[0] == len(own) - 1:
        return f"seeds {own[0]} to {own[-1]}"
    return f"seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}"


def _taught_by(one: Planned) -> str:
    return teacher_label(one.first.teacher, one.first) if one.first.teacher is not None else "-"


def _distinct(jobs: Sequence[tuple[Run, str, str]]) -> list[str]:
    """What each job trains, told apart where several would read the same: by what their recipes have
    not in common, otherwise by the beginnings of their first digests.

    Args:
        jobs: the first run, what is trained, and who teaches.
    """
    alike: dict[tuple[str, str, str], list[Run]] = {}
    for run, trains, by in jobs:
        alike.setdefault((run.data.label, trains, by), []).append(run)
    shown = []
    for run, trains, by in jobs:
        others = [set(recipe_label(one).split(", ")) for one in alike[run.data.label, trains, by]]
        own = [word for word in recipe_label(run).split(", ") if not all(word in other for other in others)]  # none of one
        apart = len({*map(frozenset, others)}) == len(others)
        mark = (f" ({', '.join(own)})" if own else "") if apart else f" [{run.digest[:6]}]"
        shown.append(trains + mark)
    return shown


def _row(place: int, one: Planned, trains: str, seconds: float, where: dict[str, int]) -> list[Cell]:
    after = sorted({where[needed.digest] for run in one.job.runs for needed in run.needed if needed.digest in where})
    return [
        place + 1,
        trains,
        _taught_by(one),
        one.first.data.label,
        ", ".join(str(at + 1) for at in after) or "-",
        max(run.epochs for run in one.job.runs),
        round(one.operations / 1e15, 4),
        round(one.memory / 1e9, 2),
        round((one.disk + one.meanwhile) / 1e6, 1),
        duration(seconds),
    ]


def _figures(one: Planned, seconds: float) -> dict[str, Any]:
    return {
        "runs": [run.digest for run in one.job.runs],
        "seconds": seconds,
        "operations": one.operations,
        "memory_bytes": one.memory,
        "record_bytes": one.disk,
        "checkpoint_bytes": one.meanwhile,
        "answers_bytes": one.answers,
    }


def _notes(
    jobs: Sequence[Planned], finished: int, speed: Speed, devices: int, available: int | None, ends: float
) -> list[str]:
    runs, total = sum(len(one.job.runs) for one in jobs), sum(one.operations for one in jobs)
    lines = [f"Finished: {plural(finished, 'run')}. Missing: {runs}, in {plural(len(jobs), 'job')}."]
    if not jobs:
        return lines
    lines.append(
        f"Time: operations / {speed.rate / 1e9:,.1f} GFLOP/s, {speed.how}. All jobs one after the other: "
        f"{total / 1e15:,.3g} PFLOP, {duration(total / speed.rate)}; on {devices} at once: {duration(ends)}."
    )
    shared, again = sum(one.shared for one in jobs), sum(one.again for one in jobs)
    if shared:
        lines.append(f"Shared passes of teachers save {shared / 1e15:,.3g} PFLOP ({100 * shared / (total + shared):.0f} %).")
    answers = sum(one.answers for one in jobs if not one.again)
    if again:
        lines.append(
            f"--keep-answers would save {again / 1e15:,.3g} PFLOP ({100 * again / total:.0f} %), where jobs of the same batches "
            f"come one after the other, and take {answers / 1e9:,.2f} GB."
        )
    elif answers:
        lines.append(
            f"--keep-answers would save nothing here, as no two jobs read the same; for later students of these batches it "
            f"would take {answers / 1e9:,.2f} GB."
        )
    records, checkpoints = sum(one.disk for one in jobs), max(one.meanwhile for one in jobs)
    lines.append(
        f"Disk: {records / 1e9:,.3f} GB of Records, and up to {checkpoints / 1e9:,.3f} GB of checkpoints for each job."
    )
    most = max(one.memory for one in jobs)
    fits = (
        ""
        if available is None
        else f" of {available / 1e9:,.1f} GB" + ("" if most <= available else ", which is too little")
    )
    lines.append(f"Memory: up to {most / 1e9:,.2f} GB{fits} for the tensors of a job; torch itself takes some 0.3 GB more.")
    return lines


def duration(seconds: float) -> str:
    """ "45 s", "3.2 min", "5.4 h", "2.1 days"."""
    for unit, size in (("days", 86400 * 2), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / (86400 if unit == 'days' else size):.1f} {unit}"
    return f"{seconds:.1f} s"
