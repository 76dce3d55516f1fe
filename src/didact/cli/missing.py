"""From a teacher's Run back to the commands that train it and that distil from it."""

from __future__ import annotations

from collections.abc import Sequence

from didact.files.checked import DamagedError
from didact.request.command import alone, command
from didact.runs.run import Run
from didact.store.store import Store


def missing_teachers(store: Store, runs: Sequence[Run]) -> None:
    """Say which teachers of ``runs`` have no Record, or a damaged one, each in a line with the command that trains it."""
    taught = {run.teacher.digest: (run.teacher, run.net) for run in runs if run.teacher is not None}
    for teacher, student in taught.values():
        try:
            found, why = store.record(teacher), f"is not in {store.root}"
        except DamagedError:
            found, why = None, f"is damaged in {store.root}"
        if found is not None:
            continue
        line = alone(teacher, store.root) or command(teacher, [student], store.root)
        store.once(
            f"the teacher {teacher.label} ({teacher.digest}) {why}; what depends on it is shown as '-' (null in JSON). "
            + (f"This trains it: {line}" if line else "The command that trained its students trains it, too.")
        )
