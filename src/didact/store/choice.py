"""Finished runs of a store by what a person types: the beginning of a digest, or of a folder's name."""

from __future__ import annotations

from collections.abc import Sequence

from didact.files.checked import DamagedError
from didact.runs.run import Run
from didact.spec import SpecError, clean
from didact.store.entries import Finished, Listed, Lost, damaged
from didact.store.record import Record
from didact.store.store import Store

SHOWN = 5
"""So many runs that fit are named in a message."""


def chosen(store: Store, asked: str) -> tuple[Run, Record]:
    """The one run of the store whose digest or folder begins with ``asked``.

    Raises:
        SpecError: there is none, or there are several; it names code that is not trusted; it is damaged or not finished.
    """
    entry = entry_of(store, asked)
    if isinstance(entry, Listed):
        raise SpecError(f"{entry.digest} {entry.label} {entry.note}")
    return entry.run, entry.record


def chosen_all(store: Store, asked: Sequence[str]) -> list[Run]:
    """All finished runs of the store whose digest or folder begins with one of ``asked``, each once, in that order.

    Raises:
        SpecError: one of ``asked`` fits none, or one that names code that is not trusted.
    """
    found: dict[str, Run] = {}
    for start in asked:
        for entry in _fitting(store, start):
            if isinstance(entry, Listed):
                raise SpecError(f"{entry.digest} {entry.label} {entry.note}")
            found[entry.run.digest] = entry.run
    return list(found.values())


def entry_of(store: Store, asked: str) -> Finished | Listed:
    """As :func:`chosen`, also where the Record is only listed.

    Raises:
        SpecError: there is none, or there are several; it is damaged or not finished.
    """
    fits = _fitting(store, asked)
    if len(fits) > 1:
        names = "; ".join(_name(entry) for entry in fits[:SHOWN]) + ("; ..." if len(fits) > SHOWN else "")
        raise SpecError(f"{asked[:100]!r} fits {len(fits)} runs in {store.root}: {names}; write more of the digest")
    return fits[0]


def _fitting(store: Store, asked: str) -> list[Finished | Listed]:
    """At least one; those that are lost are said."""
    fits: list[Finished | Listed] = []
    lost: list[Lost] = []
    for entry in store.entries(asked):
        if isinstance(entry, Lost):
            lost.append(entry)
            continue
        try:
            entry.record.check()
            fits.append(entry)
        except DamagedError as error:
            lost.append(Lost(entry.record.folder, damaged(error)))
    if fits:
        for one in lost:
            store.say(one.why)
        return fits
    if lost:
        reasons = "; ".join(one.why for one in lost[:SHOWN]) + ("; ..." if len(lost) > SHOWN else "")
        raise SpecError(f"{asked[:100]!r} fits no finished run in {store.root}: {reasons}")
    raise SpecError(
        f"{asked[:100]!r} fits no finished run in {store.root}; 'didact list runs --store {store.root}' lists them"
    )


def _name(entry: Finished | Listed) -> str:
    return clean(f"{entry.run.digest} {entry.run.label}") if isinstance(entry, Finished) else f"{entry.digest} {entry.label}"
