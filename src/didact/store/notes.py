"""A user's note on a run, in ``note.json`` beside its Record, which stays as it was sealed.

A note that was cleared leaves an empty one with its time behind: where two stores meet, the newer
of their notes wins, and what was cleared later stays cleared.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from didact.files.checked import DamagedError, read_json, write_json
from didact.spec import SpecError, clean

FILE = "note.json"
LONGEST = 2000
"""Characters of a note."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Note:
    """A note.

    Attributes:
        text: cleaned; empty for one that was cleared.
        written: when; the beginning of time where the file does not say.
    """

    text: str
    written: datetime = _EARLIEST

    @classmethod
    def of(cls, plain: Any) -> Note | None:
        """The note that plain data hold; None where they hold none."""
        text = plain.get("note") if isinstance(plain, dict) else None
        if not isinstance(text, str):
            return None
        try:
            written = datetime.fromisoformat(plain["written"]).astimezone()
        except (LookupError, TypeError, ValueError, OverflowError, OSError):
            written = _EARLIEST
        return cls(clean(text[:LONGEST]), written)


def read(folder: Path) -> Note | None:
    """The note of the run in ``folder``, or one that was cleared; None if there is none, or none
    that can be read."""
    path = folder / FILE
    try:
        if not os.path.lexists(path) or path.is_symlink():
            return None
        return Note.of(read_json(path))
    except DamagedError:
        return None


def note(folder: Path) -> str:
    """The text of the note of the run in ``folder``; empty if there is none."""
    own = read(folder)
    return "" if own is None else own.text


def put(folder: Path, text: str) -> None:
    """Keep ``text`` as the note of the run in ``folder``, in place of an earlier one; an empty text
    clears it.

    Raises:
        SpecError: it is longer than a note may be.
        OSError: the folder cannot be written; the earlier note is intact.
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise SpecError(f"a note has at most {LONGEST} characters, found {len(text):,}")
    if text or os.path.lexists(folder / FILE):
        _write(folder, Note(text, datetime.now().astimezone()))


def offer(folder: Path, other: Note | None) -> None:
    """Keep the note that the same run has elsewhere, if it is newer than the one in ``folder``.

    Raises:
        OSError: the folder cannot be written; the earlier note is intact.
    """
    own = read(folder)
    if other is not None and (own is None or other.written > own.written):
        _write(folder, other)


def _write(folder: Path, new: Note) -> None:
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "is a link, and nothing is written through it", str(folder))
    written = {} if new.written == _EARLIEST else {"written": new.written.isoformat("T", "microseconds")}
    write_json(folder / FILE, {"note": new.text, **written})
