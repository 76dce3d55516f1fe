"""Removes runs of a store: what that frees, and which runs that stay would need them.

A folder is renamed first, so that it is a run's as a whole or not at all; a kill leaves a folder
that :mod:`didact.store.upkeep.leftovers` finds.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from didact.files.checked import DamagedError, read_json
from didact.files.sizes import size
from didact.spec import clean
from didact.store.entries import Lost, unsealed
from didact.store.kin import group, needed
from didact.store.query.listing import placed
from didact.store.record import Record
from didact.store.store import Store
from didact.store.upkeep.claims import claims, upkeep
from didact.store.upkeep.locks import if_free, lock_path


@dataclass(frozen=True)
class Member:
    """A folder of a store, finished or not.

    Attributes:
        needs, group: digests, as of :class:`didact.store.query.listing.Row`.
        state: "finished", "unfinished", "damaged", or "foreign" for what this version of didact does
            not take for a run.
    """

    folder: Path
    digest: str
    label: str
    needs: frozenset[str]
    group: tuple[str, ...]
    state: str


def members(store: Store) -> list[Member]:
    """Every folder of the store with what it needs, as far as that can be read."""
    found: list[Member] = []
    for folder, row in placed(store):
        if not isinstance(row, Lost):
            found.append(Member(folder, row.digest, row.label, frozenset(row.needs), row.group, "finished"))
            continue
        spec = spec_of(folder)
        needs, peers = (needed(spec), tuple(group(spec))) if spec else (frozenset[str](), ())
        label, _, digest = folder.name.rpartition(".")
        found.append(Member(folder, clean(digest), clean(label), needs, peers or (digest,), _state(row)))
    return found


def _state(lost: Lost) -> str:
    return "unfinished" if lost.running else "damaged" if lost.damaged else "foreign"


def as_listed(one: Member) -> bool:
    """Whether a folder is still what it was when it was listed. Callers ask this while they hold the run's lock, as
    another process can have finished or removed the run since the listing. It builds no Run, which would need torch."""
    return os.path.lexists(one.folder) and _sealed(one.folder) == ("finished" if one.state == "foreign" else one.state)


def _sealed(folder: Path) -> str:
    """The state of a folder by its files alone: a Record of another version counts as finished."""
    try:
        record = Record.at(folder)
        if record is None:
            return _state(unsealed(folder))
        record.spec()
        record.final()
    except DamagedError:
        return "damaged"
    return "finished"


def spec_of(folder: Path) -> Mapping[str, Any]:
    """The content of a folder's spec.json as plain JSON data; nothing where it cannot be read."""
    try:
        spec = read_json(folder / "spec.json")
    except DamagedError:
        return {}
    return spec if isinstance(spec, dict) else {}


def needers(leaving: Collection[Member], all_: Iterable[Member]) -> dict[str, list[Member]]:
    """By digest of a run that is to leave, the runs that stay and need it: its students, and those
    that were trained together with it, which would all be trained again."""
    gone = {one.digest for one in leaving}
    found: dict[str, list[Member]] = {}
    for one in all_:
        if one.digest not in gone:
            for digest in sorted((one.needs | set(one.group)) & gone):
                found.setdefault(digest, []).append(one)
    return found


def with_needers(leaving: Sequence[Member], all_: Sequence[Member]) -> list[Member]:
    """``leaving``, and every run that needs one of them, at any depth."""
    chosen = list(leaving)
    while more := {id(one): one for ones in needers(chosen, all_).values() for one in ones}:
        chosen += more.values()
    return chosen


@dataclass(frozen=True)
class Removed:
    """What came of a removal.

    Attributes:
        gone: the runs that were removed.
        freed: bytes.
        kept: why others were not.
    """

    gone: tuple[Member, ...]
    freed: int
    kept: tuple[str, ...]


def remove(store: Store, leaving: Sequence[Member]) -> Removed:
    """Remove runs, except those that a training of another process uses.

    Raises:
        OSError: a folder cannot be removed; those before it are gone.
    """
    gone: list[Member] = []
    freed, kept = 0, list[str]()
    with upkeep(store.root):
        claimed = claims(store.root)
        for one in leaving:
            if one.digest in claimed:
                kept.append(f"{one.label} ({one.digest}) is needed by a training that is running")
                continue
            with if_free(lock_path(store.root, one.group[0])) as free:
                if not free:
                    kept.append(f"{one.label} ({one.digest}) is being trained by another process")
                    continue
                if not os.path.lexists(one.folder):  # another process was faster
                    continue
                if not as_listed(one):
                    kept.append(f"{one.label} ({one.digest}) was {one.state} when it was listed, and is not any more")
                    continue
                freed += drop(one.folder)
                gone.append(one)
    return Removed(tuple(gone), freed, tuple(kept))


def drop(folder: Path) -> int:
    """Remove a run's folder; a link is removed, and what it leads to stays. Returns the bytes that
    this frees.

    Raises:
        OSError: it cannot be removed.
    """
    bytes_ = size(folder)
    if folder.is_symlink():
        folder.unlink()
        return bytes_
    aside = folder if ".aside-" in folder.name else folder.with_name(f"{folder.name}.aside-{time.time_ns()}")
    if aside != folder:
        folder.rename(aside)
    shutil.rmtree(aside)
    return bytes_
