"""Sections of a report and what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from didact.tables.page.picture import Picture
from didact.tables.table import Table


@dataclass(frozen=True)
class Image:
    """An image with the lines below it.

    Attributes:
        png: the file's content.
        lines: what it shows; the first line is its name.
    """

    png: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Gallery:
    """Images side by side."""

    title: str
    images: tuple[Image, ...]
    note: str = ""


@dataclass(frozen=True)
class Commands:
    """Command lines, each with what it makes."""

    title: str
    lines: tuple[tuple[str, str], ...]
    note: str = ""


Part = Table | Picture | Gallery | Commands


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading of its own.

    Attributes:
        key: its address in the page.
        title: the heading.
        text: what it shows, in a sentence or two.
        parts: what it holds; at least one.
    """

    key: str
    title: str
    parts: tuple[Part, ...]
    text: str = ""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Its pictures."""
        return tuple(part for part in self.parts if isinstance(part, Picture))


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: of the page.
        lines: facts about it, such as the number of runs.
        sections: those that have something to show.
    """

    title: str
    lines: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures, in order."""
        return tuple(picture for section in self.sections for picture in section.pictures)


def key_of(*words: str) -> str:
    """Words as a part of a file's name or an address: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-") or "x"


def shown(sections: Iterable[Section]) -> tuple[Section, ...]:
    """The sections that hold something."""
    return tuple(section for section in sections if section.parts)
