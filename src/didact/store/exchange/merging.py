"""The Records of another store, offered to a store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from didact.files.checked import DamagedError
from didact.spec import clean, to_json
from didact.store import notes
from didact.store.entries import Finished, Listed, Lost
from didact.store.exchange import portable
from didact.store.exchange.intake import Offer, copy
from didact.store.record import Record
from didact.store.store import Store


def offers(other: Store) -> Iterator[Offer]:
    """Every Record of ``other``. What is no Record, or damaged, is reported by ``other.say``."""
    unfinished = 0
    for entry in other.entries():
        match entry:
            case Lost():
                unfinished += entry.running
                if not entry.running:
                    other.say(entry.why)
            case Finished() | Listed():
                spec = to_json(entry.run) if isinstance(entry, Finished) else entry.spec
                digest = entry.run.digest if isinstance(entry, Finished) else entry.digest
                folder = entry.record.folder
                yield Offer(
                    name=folder.name,
                    digest=digest,
                    sums=entry.record.sums,
                    spec=spec,
                    note=notes.read(folder),
                    content=entry.record.content,
                    answers=partial(portable.answers, entry.record),
                    fill=partial(_fill, entry.record),
                )
    if unfinished:
        other.say(f"{unfinished} unfinished in {clean(other.root)}: only Records are taken")


def _fill(record: Record, target: Path) -> None:
    try:
        for name in portable.names(record):
            source = record.folder / name
            about = source.stat()
            with open(source, "rb") as file:
                copy(file, target / name, about.st_size, record.sums.get(name), about.st_mtime)
    except FileNotFoundError as error:
        raise DamagedError(f"{error.filename} is gone") from None
