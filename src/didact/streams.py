"""Standard output and standard error: printable text, and streams that never stop a training.

Characters that the encoding lacks are replaced; control characters are shown as escapes; a reader
that leaves (``| head``) ends the output, but not the command. Imports neither torch nor rich.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from didact.spec import clean

FORMS = {"±": "+-", "×": "x", "·": "-", "✓": "yes", "✗": "no:", "…": "...", "–": "-", "—": "-", "•": "*", "−": "-"}
"""Replacements of characters that an encoding lacks; all others are shown as escapes."""


def fitted(text: str, encoding: str) -> str:
    """``text`` with the characters that ``encoding`` lacks replaced by :data:`FORMS` or their
    escapes."""
    return text if text.isascii() else text.encode(encoding, "didact.forms").decode(encoding)


def _form(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(FORMS.get(c, c.encode("unicode_escape").decode()) for c in lacking), error.end


codecs.register_error("didact.forms", _form)


def lines(text: str) -> str:
    """``text`` with every line :func:`clean`, because names and paths in it can come from files of
    others."""
    return "\n".join(map(clean, text.split("\n")))


def say(text: str = "", *, to_stderr: bool = False) -> None:
    """Print ``text`` after :func:`lines`."""
    print(lines(text), file=sys.stderr if to_stderr else sys.stdout)


class Text(Protocol):
    """The interface of a text stream that files, pipes and notebooks' streams share."""

    @property
    def encoding(self) -> str:
        """The stream's encoding."""
        ...

    def write(self, text: str, /) -> int:
        """Write ``text`` and return its number of characters."""
        ...

    def flush(self) -> None:
        """Write the buffer."""
        ...

    def fileno(self) -> int:
        """The number of the open file."""
        ...


class Stream:
    """A standard stream that accepts any text, and discards it once its reader has left.

    Args:
        stream: the underlying stream.
        name: its name in errors; "" to raise none, because messages must not stop a training.
    """

    def __init__(self, stream: Text, name: str = "") -> None:
        self._stream = stream
        self._name = name
        self._ended = False

    def write(self, text: str) -> int:
        """Write ``text``; returns the number of its characters.

        Raises:
            OSError: the disk is full, for a stream with a name.
        """
        if not self._ended:
            with self._errors():
                self._stream.write(fitted(text, self._stream.encoding or "utf-8"))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        if not self._ended:
            with self._errors():
                self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._end()
            left = isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL  # the latter on Windows
            if self._name and not left:
                raise OSError(error.errno, error.strerror, self._name) from None

    def _end(self) -> None:
        """Discard all later text, including the buffer, which Python flushes when the process
        ends."""
        self._ended = True
        try:
            descriptor = self._stream.fileno()
        except io.UnsupportedOperation:
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


@contextmanager
def prepared() -> Iterator[None]:
    """Make standard output and standard error a :class:`Stream` within the block; closed ones
    discard text."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout = Stream(before[0] or nowhere, "standard output")  # type: ignore[assignment]
        sys.stderr = Stream(before[1] or nowhere)  # type: ignore[assignment]
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


@contextmanager
def silent() -> Iterator[None]:
    """Discard standard output and standard error within the block."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        sys.stdout = sys.stderr = nowhere
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def occupied() -> None:
    """Open closed descriptors 0 to 2, so that no file of a Record gets the number of standard
    output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
