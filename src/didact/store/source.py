"""Detects changes in the user's own code since a run was trained."""

from __future__ import annotations

from didact.nets import libraries
from didact.runs.foreign import sources
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.record import Record


def changed(run: Run, record: Record) -> list[str]:
    """The names of the user's code that has changed since ``run`` was trained, as far as known."""
    before = record.environment().get("source", {})
    try:
        now = sources(run) if before else {}
    except SpecError:  # the code is missing; the Record is readable without it
        return []
    own = [name for name in now if not libraries.named(name)]
    return [name for name in own if before.get(name, now[name]) != now[name]]
