"""A user's note on a run, in ``note.json`` beside its Record, which stays as it was sealed."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from pathlib import Path

from didact.files.checked import DamagedError, read_json, write_json
from didact.spec import SpecError, clean

FILE = "note.json"
LONGEST = 2000
"""Characters of a note."""


def note(folder: Path) -> str:
    """The note of the run in ``folder``, cleaned; empty if there is none, or none that can be
    read."""
    path = folder / FILE
    try:
        if not os.path.lexists(path) or path.is_symlink():
            return ""
        text = read_json(path)["note"]
    except (DamagedError, TypeError, LookupError):
        return ""
    return clean(text[:LONGEST]) if isinstance(text, str) else ""


def put(folder: Path, text: str) -> None:
    """Keep ``text`` as the note of the run in ``folder``, in place of an earlier one; an empty text
    removes it.

    Raises:
        SpecError: it is longer than a note may be.
        OSError: the folder cannot be written; the earlier note is intact.
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise SpecError(f"a note has at most {LONGEST} characters, found {len(text):,}")
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "is a link, and nothing is written through it", str(folder))
    if text:
        write_json(folder / FILE, {"note": text, "written": datetime.now().astimezone().isoformat("T", "seconds")})
    else:
        (folder / FILE).unlink(missing_ok=True)
