"""What a store holds that no run needs any more: what stopped trainings, damage and kills leave.

Nothing that a running training uses is among it: a run in training is locked, and what a request
needs is claimed (:mod:`didact.store.upkeep.claims`). Both are looked at again when something is removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from didact.files.checked import TEMPORARY, DamagedError
from didact.files.sizes import size
from didact.spec import clean, plural
from didact.store.answers.series import STALE, Answers, Series
from didact.store.entries import TRAINING
from didact.store.record import Record
from didact.store.store import Store
from didact.store.upkeep.begun import touched
from didact.store.upkeep.claims import claims, upkeep
from didact.store.upkeep.locks import if_free, in_use, lock_path
from didact.store.upkeep.removal import Member, as_listed, drop, members

ABANDONED = 30
"""Days after which an unfinished run that nobody has touched counts as abandoned."""
STAGING = "incoming-"
"""Beginning of the folders in which Records that come from elsewhere are checked."""
_ASIDE = re.compile(r"(?P<name>.+)\.(damaged|aside)-(?P<when>\d+)", re.DOTALL)
_YOUNG = 60.0
"""Seconds for which what was set aside is left alone: the one who does it may not be done."""
DAY = 86400.0
DAMAGED, CHECKPOINTS, UNTOUCHED = "damaged Record", "checkpoint of a finished run", "abandoned run"
"""What can go of a run."""


def _always() -> bool:
    """Return True: no other process changes a leftover of this kind."""
    return True


@dataclass(frozen=True)
class Leftover:
    """Something that can go.

    Attributes:
        paths: files, or one folder.
        kind: what it is, in a few words.
        why: of which run or teacher.
        bytes: on disk.
        lock: the digest of the run that must not be in training; empty if none.
        claim: the digest that no running request may need; empty if none.
        still: whether it can still go, asked while the lock is held: another process can have gone on with the run.
    """

    paths: tuple[Path, ...]
    kind: str
    why: str
    bytes: int
    lock: str = ""
    claim: str = ""
    still: Callable[[], bool] = _always


def leftovers(store: Store, days: float = ABANDONED, *, verify: bool = False) -> list[Leftover]:
    """Everything that can go, by kind.

    Args:
        store: the store.
        days: after how many days without a change an unfinished run counts as abandoned.
        verify: whether every file of every Record is read and compared with its checksum; otherwise
            only what a list reads.
    """
    found = [*_set_aside(store)]
    all_ = members(store)
    for one in all_:
        found += _of_run(one, days, verify=verify)
    found += _answers(store, all_)
    going = {path for one in found for path in one.paths}
    found += _temporary(store, [one.folder for one in all_ if one.folder not in going])
    return [one for one in found if not one.lock or in_use(store.root, one.lock) is False]


def _of_run(one: Member, days: float, *, verify: bool) -> Iterator[Leftover]:
    kind = _kind(one, days, verify=verify)
    name = f"{one.label} ({one.digest})"

    def still() -> bool:
        return as_listed(one) and _kind(one, days, verify=verify) == kind

    if kind == CHECKPOINTS:
        paths = _of_training(one.folder)
        yield Leftover(paths, kind, name, sum(map(size, paths)), one.group[0], still=still)
    elif kind:
        why = f"{name}, {plural(int(_idle(one.folder)), 'day')} untouched" if kind == UNTOUCHED else name
        yield Leftover((one.folder,), kind, why, size(one.folder), one.group[0], one.digest, still)


def _kind(one: Member, days: float, *, verify: bool) -> str:
    """What of a folder can go; empty if nothing can."""
    if one.state == "damaged" or (one.state == "finished" and verify and _is_damaged(one.folder)):
        return DAMAGED
    if one.state == "finished" and _of_training(one.folder):
        return CHECKPOINTS
    return UNTOUCHED if one.state == "unfinished" and _idle(one.folder) >= days else ""


def _of_training(folder: Path) -> tuple[Path, ...]:
    names = set(os.listdir(folder))
    return tuple(folder / file for file in TRAINING if file in names)


def _idle(folder: Path) -> float:
    """For how many days nothing of the folder was written."""
    return (time.time() - touched(folder)) / DAY


def _is_damaged(folder: Path) -> bool:
    try:
        return Record.open(folder) is None
    except DamagedError:
        return True


def _set_aside(store: Store) -> Iterator[Leftover]:
    runs = store.root / "runs"
    for name in sorted(os.listdir(runs)) if runs.is_dir() else []:
        match = _ASIDE.fullmatch(name)
        if match and time.time() - int(match["when"]) / 1e9 >= _YOUNG:
            yield Leftover((runs / name,), "set aside", clean(match["name"]), size(runs / name))


def _answers(store: Store, all_: Iterable[Member]) -> Iterator[Leftover]:
    """Series of teachers that are gone, or that have other weights now."""
    folders = {one.digest: one.folder for one in all_}
    for series in Answers(store.root, 1).series():
        teacher = str(series.about.get("teacher", ""))
        name = f"{clean(series.about.get('label', series.folder.name))} ({clean(teacher)})"
        why = _unreferenced(series, folders.get(teacher))
        if why:
            yield Leftover((series.folder,), "answers of a teacher", f"{name} {why}", series.bytes, claim=teacher)


def _unreferenced(series: Series, folder: Path | None) -> str:
    """Why no student can read the series; empty if one can."""
    if not series.about:
        return "without a description"
    if folder is None:
        return "that is not in the store"
    with contextlib.suppress(DamagedError):
        record = Record.at(folder)
        if record is not None and series.about.get("weights") not in record.sums.values():
            return "with other weights than now"
    return ""


def _temporary(store: Store, folders: Sequence[Path]) -> Iterator[Leftover]:
    """Temporary files of processes that have died, and folders of imports that were killed."""
    for folder in (store.root, *folders, *(path / "route" for path in folders)):
        if folder.is_symlink() or not folder.is_dir():
            continue
        for file in sorted(os.listdir(folder)):
            path = folder / file
            with contextlib.suppress(OSError):
                if TEMPORARY.fullmatch(file) and time.time() - path.lstat().st_mtime > STALE:
                    yield Leftover((path,), "temporary file", clean(path.relative_to(store.root)), size(path))
    for path in sorted(store.root.glob(f"{STAGING}*")):
        if path.is_dir() and not path.is_symlink():
            yield Leftover((path,), "stopped import", clean(path.name), size(path), lock=path.name)


@dataclass(frozen=True)
class Cleared:
    """What came of a removal: bytes that are free, and what stays, with the reason."""

    freed: int
    kept: tuple[str, ...]


def clear(store: Store, found: Sequence[Leftover]) -> Cleared:
    """Remove leftovers, except what a training of another process uses by now.

    Raises:
        OSError: something cannot be removed; what came before it is gone.
    """
    freed, kept = 0, list[str]()
    with upkeep(store.root):
        claimed = claims(store.root)
        for one in found:
            if one.claim and one.claim in claimed:
                kept.append(f"{one.why}: a training that is running needs it")
                continue
            with if_free(lock_path(store.root, one.lock)) if one.lock else contextlib.nullcontext(True) as free:
                if not free:
                    kept.append(f"{one.why}: another process uses it")
                elif not one.still():
                    kept.append(f"{one.why}: another process has changed it since it was listed")
                else:
                    freed += sum(map(_remove, one.paths))
    return Cleared(freed, tuple(kept))


def _remove(path: Path) -> int:
    """Remove a file or folder; returns the bytes that this frees."""
    bytes_ = size(path)
    if not os.path.lexists(path):
        return 0
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return bytes_
    if path.parent.name == "runs":
        return drop(path)
    shutil.rmtree(path)
    return bytes_
