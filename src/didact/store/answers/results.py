"""A cache of results computed from a finished run, in files beside its Record.

Nothing depends on these files: a result that cannot be read is computed again, and one that cannot
be written is returned all the same. A message reports both.

A file ``<name>.json`` holds

    of         SHA-256 of the Record's record.json, to detect results of other weights
    answers    [{"question": ..., "answer": ...}, ...]; non-finite numbers are null
    sha256     checksum of ``of`` and ``answers``
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from didact.files.checked import DamagedError, file_checksum, write
from didact.files.reading import DEEPEST, depth
from didact.spec import canonical, finite
from didact.store.record import Record

T = TypeVar("T")
Say = Callable[[str], None]
Entry = dict[str, Any]
"""A question and its answer."""

PATIENCE = 30.0
"""Seconds to wait for another process that writes results of the same Record."""

_OF_THE_STORE = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM})
"""Errors that concern the whole store; one message covers all its Records."""


class Results:
    """The stored results of one Record.

    Args:
        record: the finished run's Record. Results are bound to its present content.
        say: receives a message for each damaged file and for each result that cannot be written.
    """

    def __init__(self, record: Record, say: Say = lambda message: None) -> None:
        self._folder = record.folder
        self._seal = file_checksum(record.folder / "record.json")
        self._say = say

    def get(self, name: str, question: Any, read: Callable[[Any], T]) -> T | None:
        """``read(answer)`` for the answer to ``question`` in ``<name>.json``; None if it must be
        computed.

        Args:
            name: name of the file, without suffix.
            question: plain JSON data that identifies the result.
            read: converts the stored plain data; raises ValueError, TypeError, LookupError or
                AttributeError for invalid data.
        """
        path, key = self._path(name), canonical(question)
        try:
            entries = self._read(path)
            return next((read(entry["answer"]) for entry in entries if canonical(entry["question"]) == key), None)
        except DamagedError as error:
            why = str(error)
        except (ValueError, TypeError, LookupError, AttributeError):
            why = "holds something else than was written"
        self._say(f"{path} {why}; it is not used, and computed again")
        return None

    def put(self, name: str, question: Any, answer: Any) -> Any:
        """Store ``answer`` in ``<name>.json``; it replaces an earlier answer to the same question.

        Returns:
            The answer as :meth:`get` reads it, even if it could not be stored: tuples become lists,
            non-finite numbers None.
        """
        path = self._path(name)
        entry = {"question": question, "answer": json.loads(canonical(finite(answer)))}
        try:
            with self._locked():
                others = [old for old in self._intact(path) if canonical(old["question"]) != canonical(question)]
                self._write(path, [*others, entry])
        except (OSError, NotImplementedError) as error:  # filelock raises the latter on a file system without locks
            number = getattr(error, "errno", None)
            where = self._folder.parent if number in _OF_THE_STORE else path
            why = os.strerror(number) if number else str(error)
            self._say(f"what was computed cannot be kept in {where}: {why}; it is computed again when it is needed")
        return entry["answer"]

    def merge(self, name: str, others: Sequence[Entry]) -> list[tuple[Any, Any]]:
        """Store answers that the same run has elsewhere, where there is none here.

        Args:
            name: name of the file, without suffix.
            others: as :func:`entries_of` reads them.

        Returns:
            The answers here and there to each question that has both.

        Raises:
            OSError: the file cannot be written.
            NotImplementedError: the file system has no locks.
        """
        path = self._path(name)
        with self._locked():
            own = self._intact(path)
            here = {canonical(one["question"]): one["answer"] for one in own}
            new = [one for one in others if canonical(one["question"]) not in here]
            if new:
                self._write(path, [*own, *new])
        keys = [(canonical(one["question"]), one["answer"]) for one in others]
        return [(here[key], answer) for key, answer in keys if key in here]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _read(self, path: Path) -> list[Any]:
        """The entries of ``path``; an empty list if the file does not exist.

        Raises:
            DamagedError: the file is invalid. The message continues after the file's name.
        """
        try:
            if self._folder.is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
                raise DamagedError("is a link, or no file")
            whole = json.loads(path.read_bytes(), parse_constant=_refused)
        except FileNotFoundError:
            return []
        except DamagedError:
            raise
        except OSError as error:
            raise DamagedError(f"cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError):
            raise DamagedError("is not what was written") from None
        if not isinstance(whole, dict) or whole.keys() != {"of", "answers", "sha256"}:
            raise DamagedError("is not what this version of didact writes")
        entries = whole["answers"]
        if not _is_intact(whole) or not isinstance(entries, list):
            raise DamagedError("is not what was written")
        if whole["of"] != self._seal:
            raise DamagedError("is of another Record")
        return entries

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Files are changed under a lock, so that simultaneous processes lose nothing.

        Raises:
            OSError: the folder cannot be written.
            NotImplementedError: the file system has no locks.
        """
        if self._folder.is_symlink() or not self._folder.is_dir():
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self._folder))
        with FileLock(self._folder / ".results.lock", timeout=PATIENCE):
            yield

    def _intact(self, path: Path) -> list[Entry]:
        """The entries of ``path``; none of a damaged file, which :meth:`get` reports."""
        try:
            return _entries(self._read(path)) or []
        except DamagedError:
            return []

    def _write(self, path: Path, entries: list[Entry]) -> None:
        whole = {"of": self._seal, "answers": entries, "sha256": _checksum(self._seal, entries)}
        write(path, (json.dumps(whole, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())


def entries_of(data: bytes, seal: str) -> list[Entry] | None:
    """The entries of ``data``, the content of a file of results of the Record with this ``seal``; None
    where it is no such file."""
    try:
        whole = json.loads(data, parse_constant=_refused) if depth(data) <= DEEPEST else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict) or whole.keys() != {"of", "answers", "sha256"}:
        return None
    return _entries(whole["answers"]) if whole["of"] == seal and _is_intact(whole) else None


def _entries(answers: Any) -> list[Entry] | None:
    """``answers`` where each has a question and an answer; otherwise None."""
    if isinstance(answers, list) and all(isinstance(one, dict) and {"question", "answer"} <= one.keys() for one in answers):
        return answers
    return None


def _is_intact(whole: Mapping[str, Any]) -> bool:
    """Whether the content of a file has the checksum that it names; with a number beyond all floats it has none."""
    try:
        return whole["sha256"] == _checksum(whole["of"], whole["answers"])
    except ValueError:
        return False


def _checksum(of: Any, answers: Any) -> str:
    return hashlib.sha256(canonical([of, answers]).encode()).hexdigest()


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
