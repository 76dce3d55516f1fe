"""Code of the user's own that runs name: which it is, where it is built, and what its files held when a run was trained."""

from __future__ import annotations

from didact.nets import libraries
from didact.runs.foreign import sources
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.record import Record


def changed(run: Run, record: Record) -> list[str]:
    """The names of the user's own code that has another source now than when ``run`` was trained, as far as that is known.

    Another version of a library is no such change: the names of its networks hold their structure.
    """
    before = record.environment().get("source", {})
    try:
        now = sources(run) if before else {}
    except SpecError:  # the code is gone; what a finished run left can be read without it
        return []
    own = [name for name in now if not libraries.named(name)]
    return [name for name in own if before.get(name, now[name]) != now[name]]
