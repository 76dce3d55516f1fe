"""Takes Records from elsewhere into a store.

Each is written to a folder apart, checked there as a whole, and put in place by one rename. What
the store has is kept. A kill leaves whole Records, and a folder that
:mod:`didact.store.upkeep.leftovers` finds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from didact.files.checked import DamagedError, sync_folder
from didact.files.tensors import read_tensors
from didact.spec import clean, plural
from didact.store import kin, notes
from didact.store.answers.results import Entry, Results
from didact.store.entries import Lost
from didact.store.exchange import portable
from didact.store.exchange.difference import difference, other_answers
from didact.store.record import Record
from didact.store.store import Store
from didact.store.upkeep.leftovers import STAGING
from didact.store.upkeep.locks import held, if_free, lock_path
from didact.store.writing.run_folder import RunFolder

CHUNK = 2**20


@dataclass(frozen=True)
class Offer:
    """A Record that may be taken in.

    Attributes:
        name: of its folder.
        digest: of its run.
        sums: SHA-256 of its files, by name.
        spec: the run, as plain JSON data.
        note: the user's note on it, or that it was cleared; None without one.
        content: the content of a small file of it, by name. Raises DamagedError where it is not what
            it should be.
        answers: names of its files of results, without suffix, and what they hold. Raises DamagedError
            like ``content``.
        fill: writes all its files into a new folder. Raises DamagedError like ``content``.
    """

    name: str
    digest: str
    sums: Mapping[str, str]
    spec: Mapping[str, Any]
    note: notes.Note | None
    content: Callable[[str], bytes]
    answers: Callable[[], Iterable[tuple[str, list[Entry]]]]
    fill: Callable[[Path], None]


@dataclass
class Taken:
    """What came of an intake: names of runs, and sentences about those that were not taken."""

    new: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def take(store: Store, offers: Iterable[Offer]) -> Taken:
    """Take in what the store lacks, teachers first.

    Raises:
        OSError: the store cannot be written, or the disk is full; whole Records are kept, and the
            same command goes on.
    """
    taken = Taken()
    runs = store.root / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    waiting = f"another process is taking runs into {store.root}; waiting for it"
    with held(lock_path(store.root, "intake"), store.say, waiting), _staging(store) as stage:
        here = {folder.name.rpartition(".")[2]: folder for folder in store.folders()}
        for offer in sorted(offers, key=lambda one: kin.depth(one.spec)):
            with if_free(lock_path(store.root, kin.group(offer.spec)[0])) as free:
                trained = runs / offer.name  # perhaps since the folders were listed
                folder = here.get(offer.digest) or (trained if os.path.lexists(trained) else None)
                if not free:
                    taken.refused.append(f"{clean(offer.name)} is being trained by another process")
                elif folder is None or _makes_room(store, folder, offer, taken):
                    with _told(store, taken):
                        _put(store, stage, offer, taken)
    return taken


@contextlib.contextmanager
def _told(store: Store, taken: Taken) -> Iterator[None]:
    """Say in an error of the disk what has been taken, and how it goes on."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"{store.root} takes no more: {error.strerror or error}; {plural(len(taken.new), 'run')} of this command "
            "are there as a whole, and the same command goes on",
        ) from error


@contextlib.contextmanager
def _staging(store: Store) -> Iterator[Store]:
    """A store of its own within the store, for Records that are being checked."""
    name = f"{STAGING}{uuid.uuid4().hex[:16]}"
    lock = lock_path(store.root, name)
    with if_free(lock):
        stage = Store(store.root / name, trust=store.trust, named=store.named)
        try:
            (stage.root / "runs").mkdir(parents=True)
            yield stage
        finally:
            shutil.rmtree(stage.root, ignore_errors=True)
            with contextlib.suppress(OSError):
                lock.unlink()


def _makes_room(store: Store, folder: Path, offer: Offer, taken: Taken) -> bool:
    """Whether the run's folder in the store holds nothing that is kept: a damaged Record is set
    aside."""
    try:
        record = Record.open(folder)
    except DamagedError as error:
        RunFolder(folder, store.say).set_aside(f"damaged: {error}")
        return True
    if record is None:
        taken.other.append(f"{clean(folder.name)} is not finished here; what is here is kept")
        return False
    try:
        differs = difference(record, offer.sums, offer.content)
        if differs is None:
            notes.offer(folder, offer.note)
            differs = other_answers({name: Results(record).merge(name, there) for name, there in offer.answers()})
    except DamagedError as error:
        taken.refused.append(_refusal(offer, error))
        return False
    if differs is None:
        taken.same.append(offer.name)
    else:
        taken.other.append(f"{clean(folder.name)} {differs}; what is here is kept")
    return False


def _refusal(offer: Offer, error: DamagedError) -> str:
    return f"{clean(offer.name)} is not taken: {error}"


def _put(store: Store, stage: Store, offer: Offer, taken: Taken) -> None:
    folder = stage.root / "runs" / offer.name
    try:
        folder.mkdir()
        offer.fill(folder)
        entry = stage.entry(folder)
        if isinstance(entry, Lost):
            raise DamagedError(entry.why)
        _check(entry.record)
    except DamagedError as error:
        taken.refused.append(_refusal(offer, error))
        shutil.rmtree(folder, ignore_errors=True)
        return
    sync_folder(folder)
    folder.rename(store.root / "runs" / offer.name)
    sync_folder(store.root / "runs")
    taken.new.append(offer.name)


def copy(source: BinaryIO, target: Path, bytes_: int, expected: str | None, mtime: float | None = None) -> None:
    """Write ``bytes_`` bytes of ``source`` to ``target``, which is synced.

    Raises:
        DamagedError: they are fewer, or their SHA-256 is not the ``expected`` one.
        OSError: the disk is full or not writable.
    """
    target.parent.mkdir(exist_ok=True)
    total, left = hashlib.sha256(), bytes_
    with open(target, "wb") as file:
        while left and (chunk := source.read(min(CHUNK, left))):
            total.update(chunk)
            file.write(chunk)
            left -= len(chunk)
        file.flush()
        os.fsync(file.fileno())
    if left or (expected is not None and total.hexdigest() != expected):
        raise DamagedError(f"{target.name} is not what was written")
    if mtime is not None:
        with contextlib.suppress(OSError, OverflowError, ValueError):
            os.utime(target, (mtime, mtime))


def _check(record: Record) -> None:
    """Check a Record that comes from elsewhere as a whole: each file is one that a Record has, is
    what was sealed, and holds JSON or tensors.

    Raises:
        DamagedError: something is not so.
    """
    extra = sorted(set(portable.files(record.folder)) - set(portable.names(record)))
    if extra:
        raise DamagedError(f"{record.folder / extra[0]} is no file of a Record, or of another one")
    record.check()
    record.environment()
    record.images()
    record.final()
    for name in record.sums:
        if name.endswith(".safetensors"):
            read_tensors(record.folder / name)
