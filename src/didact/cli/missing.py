"""Reports missing teachers with the commands that train them."""

from __future__ import annotations

from collections.abc import Sequence

from didact.files.checked import DamagedError
from didact.request.command import alone, command
from didact.runs.run import Run
from didact.store.store import Store


def missing_teachers(store: Store, runs: Sequence[Run]) -> None:
    """Report the teachers of ``runs`` without a valid Record, each with the command that trains
    it."""
    teachers = {run.teacher.digest: (run.teacher, run.net) for run in runs if run.teacher is not None}
    for teacher, student in teachers.values():
        try:
            record, why = store.record(teacher), f"is not in {store.root}"
        except DamagedError:
            record, why = None, f"is damaged in {store.root}"
        if record is not None:
            continue
        line = alone(teacher, store.root) or command(teacher, [student], store.root)
        store.once(
            f"the teacher {teacher.label} ({teacher.digest}) {why}; figures that depend on it are '-' (null in JSON). "
            + (f"This trains it: {line}" if line else "The command that trained its students also trains it.")
        )
