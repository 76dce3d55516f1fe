"""Tables of the runs of a store: those that are meant, what can be asked of them, what can go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from didact.files.sizes import size
from didact.spec import SpecError, first_of, plural
from didact.store.entries import Lost, untrusted
from didact.store.notes import note
from didact.store.query.fields import SHORT, Found, Selection, everything
from didact.store.query.language import Value
from didact.store.query.listing import Row, placed
from didact.store.store import Store, begins
from didact.store.upkeep.begun import Begun, begun
from didact.store.upkeep.leftovers import Leftover
from didact.store.upkeep.removal import Member
from didact.tables.listing import Listing
from didact.tables.table import Cell, Quantity, Table

_SHOWN = frozenset({"digest", "run", "how", "images", "teacher", "recipe", "top1", "note", "data", "method", "net", "seed"})
"""The fields that the columns of the list say already."""


def runs(store: Store, selection: Selection | None = None, prefixes: Sequence[str] = ()) -> Listing:
    """The finished runs of a store, or those with digests or folders that begin with one of
    ``prefixes``. Runs that cannot be listed are reported by ``store.say``.

    Fields that were asked for, and that no column shows, have columns of their own.

    Raises:
        SpecError: no run has a field that was asked for.
    """
    chosen = selection or Selection()
    found = chosen.of(
        (folder, row)
        for folder, row in finished(store)
        if not prefixes or any(begins(folder, prefix) for prefix in prefixes)
    )
    if not found and chosen.where is not None:
        for line in chosen.values(finished(store)):
            store.once(f"no run fits; {line}")
    more = [field for field in chosen.fields if field not in _SHOWN]
    notes = [note(one.folder) for one in found]
    noted = any(notes)
    columns = [
        "digest",
        "run",
        "how",
        "data",
        "teacher",
        "recipe",
        "test top-1 (%)",
        *more,
        *(["note"] if noted else []),
    ]
    rows: list[list[Cell]] = []
    for one, said in zip(found, notes, strict=True):
        row = one.row
        cells: list[Cell] = [row.digest, row.label, row.how, row.data, row.teacher, row.recipe, Quantity.single(row.top1)]
        rows.append([*cells, *(_cell(one.facts.get(field)) for field in more), *([said] if noted else [])])
    table = Listing.of(columns, rows, ["recipe", "how", "data", "teacher"]).table
    return Listing(table, [_plain(one, said, more) for one, said in zip(found, notes, strict=True)])


def finished(store: Store) -> Iterator[tuple[Path, Row]]:
    """The Records of a store with their folders. What else there is is reported."""
    code: set[str] = set()
    for folder, row in placed(store):
        if isinstance(row, Lost):
            if not row.running:
                store.say(row.why)
            continue
        code.update(() if row.trusted else row.code)
        yield folder, row
    if code:
        store.say(f"listed only: a Record that {untrusted(tuple(sorted(code)))}")


def unfinished(store: Store, prefixes: Sequence[str] = ()) -> Listing:
    """The runs of a store that have begun and not ended, or those of ``prefixes``; below the table the commands that go on
    with them, where a command can describe them."""
    found = [one for one in begun(store) if not prefixes or any(begins(one.folder, prefix) for prefix in prefixes)]
    rows: list[list[Cell]] = []
    plain: list[dict[str, Any]] = []
    for one in found:
        far = str(one.epoch) if one.epochs is None else f"{one.epoch} of {one.epochs}"
        changed = datetime.fromtimestamp(one.changed).isoformat(" ", "minutes")
        reason = f": {one.failure}" if one.state == "failed" else ""
        rows.append([one.digest, one.label, far, changed, f"{one.state}{reason}"])
        plain.append(
            {
                "digest": one.digest,
                "run": one.label,
                "epoch": one.epoch,
                "epochs": one.epochs,
                "last change": changed,
                "state": one.state,
                "reason": one.failure,
                "command": _goes_on(one, store),
            }
        )
    note = "\n".join((*_commands("to go on", plain, failed=False), *_commands("to try again", plain, failed=True)))
    columns = ("digest", "run", "epochs", "last change", "state")
    return Listing(Table(columns, tuple(map(tuple, rows)), "unfinished runs", note, details=("last change",)), plain)


def _commands(words: str, plain: Sequence[Mapping[str, Any]], *, failed: bool) -> list[str]:
    """The commands of runs that failed, or of the others, below ``words``."""
    found = (each["command"] for each in plain if (each["state"] == "failed") == failed)
    lines = dict.fromkeys(line for line in found if line is not None)
    more = "" if failed else ", or give the first command again, which asked for more than what has begun"
    return [f"{words}{more}:", *(f"  {line}" for line in lines)] if lines else []


def _goes_on(one: Begun, store: Store) -> str | None:
    """The command that goes on with a run that no process is at work on; None where there is none."""
    if one.run is None or one.at_work:
        return None
    from didact.request.command import alone

    line = alone(one.run, store.root)
    return line if line is None or one.failure is None else f"{line} --retry"


def _cell(value: Value) -> Cell:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def _plain(one: Found, said: str, more: Sequence[str]) -> dict[str, Any]:
    row = one.row
    return {
        "digest": row.digest,
        "run": row.label,
        "how": row.how,
        "data": row.data,
        "teacher": row.teacher,
        "recipe": row.recipe,
        "test top-1 (%)": round(row.top1, 2),
        **{field: one.facts.get(field) for field in more},
        **({"note": said} if said else {}),
    }


def fields(store: Store) -> Listing:
    """Every field of the runs of a store, with a value that one of them has, and what it is.

    Raises:
        SpecError: the store has no finished run.
    """
    known: dict[str, Value] = {}
    for folder, row in finished(store):
        for field, value in everything(folder, row).items():
            if known.get(field) is None:
                known[field] = value
    if not known:
        raise SpecError(f"fields: {store.root} holds no finished run, of which they would be")
    rows: list[list[Cell]] = []
    for field in (*SHORT, *sorted(known.keys() - SHORT.keys())):
        rows.append([field, _cell(known.get(field)), SHORT.get(field, _path(field))])
    return Listing.of(["field", "such as", "what it is"], rows, ["such as"])


def _path(field: str) -> str:
    head = field.partition(".")[0]
    return {"last": "of the last epoch", "environment": "of the training's circumstances"}.get(head, "of the run's settings")


def leaving(members: Sequence[Member], needed: Mapping[str, Sequence[Member]]) -> Listing:
    """Runs that are to be removed: their state, what they take, how many runs that stay need
    them."""
    rows: list[list[Cell]] = []
    for one in members:
        by = needed.get(one.digest, ())
        named = first_of([f"{other.label} ({other.digest})" for other in by], 3)
        rows.append([one.digest, one.label, one.state, _megabytes(size(one.folder)), named])
    return Listing.of(["digest", "run", "state", "MB", "needed by"], rows)


def leftovers(found: Sequence[Leftover], root: Path) -> Listing:
    """What can go from a store, by kind, and what that frees."""
    rows: list[list[Cell]] = []
    for one in found:
        files = [str(path.relative_to(root)) for path in one.paths]
        rows.append([one.kind, one.why, _megabytes(one.bytes), ", ".join(files)])
    listing = Listing.of(["what", "of", "MB", "files"], rows, ["files"])
    note = f"{plural(len(found), 'item')}, {freed(sum(one.bytes for one in found))}"
    return Listing(replace(listing.table, note=note), listing.plain)


def _megabytes(bytes_: int) -> float:
    return round(bytes_ / 1e6, 2)


def freed(bytes_: int) -> str:
    """An amount of disk in words."""
    return f"{bytes_ / 1e9:,.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:,.2f} MB"
