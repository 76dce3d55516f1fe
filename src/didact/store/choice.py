"""Finds finished runs of a store by the beginning of a digest or of a folder's name."""

from __future__ import annotations

from collections.abc import Sequence

from didact.files.checked import DamagedError
from didact.runs.run import Run
from didact.spec import SpecError, clean, first_of
from didact.store.entries import Finished, Listed, Lost, damaged
from didact.store.record import Record
from didact.store.store import Store

SHOWN = 5
"""How many matching runs a message names."""


def chosen(store: Store, prefix: str) -> tuple[Run, Record]:
    """The only run of the store with a digest or folder that begins with ``prefix``.

    Raises:
        SpecError: none or several match, or the run is unfinished, damaged, or names untrusted
            code.
    """
    entry = entry_of(store, prefix)
    if isinstance(entry, Listed):
        raise SpecError(f"{entry.digest} {entry.label} {entry.note}")
    return entry.run, entry.record


def chosen_all(store: Store, prefixes: Sequence[str]) -> list[Run]:
    """All finished runs that match one of ``prefixes``, each once, in the order of the prefixes.

    Raises:
        SpecError: a prefix matches no finished run, or a run that names untrusted code.
    """
    runs: dict[str, Run] = {}
    for prefix in prefixes:
        for entry in _matching(store, prefix):
            if isinstance(entry, Listed):
                raise SpecError(f"{entry.digest} {entry.label} {entry.note}")
            runs[entry.run.digest] = entry.run
    return list(runs.values())


def entry_of(store: Store, prefix: str) -> Finished | Listed:
    """Like :func:`chosen`, but also gives Records that are only listed.

    Raises:
        SpecError: none or several match, or the run is unfinished or damaged.
    """
    fits = _matching(store, prefix)
    if len(fits) > 1:
        names = first_of(list(map(_name, fits)), SHOWN, "; ")
        raise SpecError(f"{prefix[:100]!r} fits {len(fits)} runs in {store.root}: {names}; write more of the digest")
    return fits[0]


def _matching(store: Store, prefix: str) -> list[Finished | Listed]:
    """The matching entries, at least one. Lost ones are reported.

    Raises:
        SpecError: no finished run matches.
    """
    fits: list[Finished | Listed] = []
    lost: list[Lost] = []
    for entry in store.entries(prefix):
        if isinstance(entry, Lost):
            lost.append(entry)
            continue
        try:
            entry.record.check()
            fits.append(entry)
        except DamagedError as error:
            lost.append(Lost(entry.record.folder, damaged(error)))
    if fits:
        for entry in lost:
            store.say(entry.why)
        return fits
    if lost:
        reasons = first_of([entry.why for entry in lost], SHOWN, "; ")
        raise SpecError(f"{prefix[:100]!r} fits no finished run in {store.root}: {reasons}")
    raise SpecError(
        f"{prefix[:100]!r} fits no finished run in {store.root}; 'didact list runs --store {store.root}' lists them"
    )


def _name(entry: Finished | Listed) -> str:
    return clean(f"{entry.run.digest} {entry.run.label}") if isinstance(entry, Finished) else f"{entry.digest} {entry.label}"
