"""The runs that a report shows, finished or not, with their metrics."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from didact.files.checked import DamagedError, read_json, read_rows
from didact.nets import title
from didact.runs.labels import recipe_label, row_label, teacher_label
from didact.runs.run import Run, everything
from didact.spec import clean, digest, from_json, to_json
from didact.store.entries import Finished, Lost, code_names
from didact.store.record import Record
from didact.store.store import Store


@dataclass(frozen=True)
class Trained:
    """A run with its metrics so far.

    Attributes:
        rows: one for each epoch; see :meth:`didact.store.record.Record.metrics`.
        record: None while the run is unfinished.
    """

    run: Run
    rows: Sequence[dict[str, Any]]
    record: Record | None

    @property
    def digest(self) -> str:
        """The run's digest."""
        return self.run.digest

    @property
    def top1(self) -> float | None:
        """The last epoch's test accuracy in percent; None while the run is unfinished."""
        return number(self.rows[-1], "test_top1") if self.record is not None and self.rows else None

    @property
    def progress(self) -> str:
        """ " (epoch 26 of 60)" for an unfinished run, otherwise ""."""
        if self.record is not None:
            return ""
        done = int(number(self.rows[-1], "epoch") or 0) if self.rows else 0
        return f" (epoch {done} of {self.run.epochs})"


@dataclass(frozen=True)
class Family:
    """Runs of one network on the same data by the same recipe, and their teachers.

    Attributes:
        title: the network, the data and the recipe.
        members: the runs.
        teachers: those of the members' teachers that are known.
    """

    title: str
    members: tuple[Trained, ...]
    teachers: tuple[Trained, ...]


def of_runs(store: Store, runs: Iterable[Run]) -> list[Trained]:
    """The finished ones of ``runs`` and of all runs that these need. Damage is reported."""
    found: list[Trained] = []
    for run in everything(list(runs)):
        record = store.opened(run)
        if record is None:
            continue
        try:
            record.final()
            found.append(Trained(run, record.metrics(), record))
        except DamagedError as error:
            store.say(f"left out: {error}")
    return found


def of_store(store: Store) -> list[Trained]:
    """All finished runs of the store that may be built. Others are reported."""
    return [Trained(run, record.metrics(), record) for run, record in store.runs()]


def latest(store: Store, most: int) -> list[Trained]:
    """The runs of the store that changed last, at most so many, finished or not, and their teachers.

    Folders that cannot be read, or that name code that is not trusted, are left out.
    """
    by_time = sorted(store.folders(), key=_changed)[-most:]
    found: dict[str, Trained] = {}
    for folder in sorted(by_time):
        one = _read(store, folder)
        if one is not None:
            found[one.digest] = one
    for one in list(found.values()):
        teacher = one.run.teacher
        if teacher is not None and teacher.digest not in found and (of := _read(store, store.folder(teacher))) is not None:
            found[of.digest] = of
    return list(found.values())


def _changed(folder: Path) -> float:
    try:
        return os.stat(folder / "metrics.jsonl").st_mtime
    except OSError:
        return 0.0


def _read(store: Store, folder: Path) -> Trained | None:
    """The run in ``folder``; None, with a message where something is wrong, if it cannot be read."""
    try:
        if (folder / "record.json").exists():
            entry = store.entry(folder)
            if isinstance(entry, Finished):
                return Trained(entry.run, entry.record.metrics(), entry.record)
            if isinstance(entry, Lost) and not entry.running:
                store.once(entry.why)
        elif (folder / "metrics.jsonl").is_file():
            spec = read_json(folder / "spec.json")
            if digest(spec) == folder.suffix[1:] and store.trusts(code_names(spec)):
                rows = [row for row in read_rows(folder / "metrics.jsonl") if isinstance(row, dict)]
                return Trained(from_json(Run, spec), rows, None)
    except (OSError, ValueError) as error:  # the training writes at the same time
        store.once(f"left out {clean(folder.name)}: {error}")
    return None


def families(trained: Sequence[Trained]) -> list[Family]:
    """The runs by network, data and recipe. Groups that hold only teachers of other runs are left
    out if there are others."""
    by_digest = {one.digest: one for one in trained}
    taught = {one.run.teacher.digest for one in by_digest.values() if one.run.teacher is not None}
    groups: dict[str, list[Trained]] = {}
    for one in by_digest.values():
        run = one.run
        key = digest([run.net, to_json(run.data), to_json(run.recipe), run.data_seed])
        groups.setdefault(key, []).append(one)
    students = [group for group in groups.values() if any(one.digest not in taught for one in group)]
    return [_family(group, by_digest) for group in students or groups.values()]


def _family(members: Sequence[Trained], by_digest: dict[str, Trained]) -> Family:
    first = members[0].run
    needed = {one.run.teacher.digest: None for one in members if one.run.teacher is not None}
    teachers = tuple(by_digest[key] for key in needed if key in by_digest)
    ordered = tuple(sorted(members, key=lambda one: (one.run.teacher is not None, how(one.run), one.run.seed)))
    return Family(f"{net_title(first)} on {first.data.label} ({recipe_label(first)})", ordered, teachers)


def net_title(run: Run) -> str:
    """The short name of the run's network."""
    return title(run.net)


def how(run: Run) -> str:
    """How a run was trained, and how its teacher was: "fitnet+kd from sftn resnet20"."""
    if run.teacher is None:
        return row_label(run)
    return f"{row_label(run)} from {teacher_label(run.teacher, run)}"


def teacher_name(run: Run, student: Run) -> str:
    """A teacher in a legend, beside a student of its own."""
    return f"teacher: {teacher_label(run, student)}"


def number(row: Any, *path: str) -> float | None:
    """The finite number at ``path`` in plain data; None if there is none."""
    for key in path:
        row = row.get(key) if isinstance(row, dict) else None
    if isinstance(row, bool) or not isinstance(row, int | float) or not math.isfinite(row):
        return None
    return float(row)
