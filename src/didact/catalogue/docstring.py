"""A method's description, parsed from the docstring of its file.

line 1            NAME: short title.
a paragraph       Authors: Title (VENUE YEAR), https://... (may wrap; absent without a paper)
formulas          blocks indented by four spaces
everything else   prose: choices, deviations, adaptation of pairs
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from dataclasses import dataclass

from didact.method import Method

_TITLE = re.compile(r"(?P<label>[^\s:]+(?: [^\s:]+)?): (?P<title>\S.*)")
_CITED = re.compile(r"(?P<authors>[^:]+): (?P<paper>.+) \((?P<venue>[^()]+?) (?P<year>\d{4})\), (?P<link>https?://\S+)")


@dataclass(frozen=True)
class About:
    """The parsed docstring of a method.

    Attributes:
        label: the paper's name for it, "FitNets".
        title: what it does in a few words.
        authors, paper, venue, year, link: the citation; "" and None where there is no paper.
        body: paragraphs and formulas in their order; formulas are indented by four spaces.
    """

    label: str
    title: str
    authors: str = ""
    paper: str = ""
    venue: str = ""
    year: int | None = None
    link: str = ""
    body: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """Label and title: "FitNets: a hint from an intermediate feature"."""
        return f"{self.label}: {self.title}" if self.title else self.label

    @property
    def citation(self) -> str:
        """The citation in one line, as the file has it; "" where there is no paper."""
        return f"{self.authors}: {self.paper} ({self.venue} {self.year}), {self.link}" if self.paper else ""

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formula blocks, without their indentation."""
        return tuple(textwrap.dedent(block) for block in self.body if block.startswith("    "))

    @property
    def notes(self) -> tuple[str, ...]:
        """The paragraphs of prose."""
        return tuple(block for block in self.body if not block.startswith("    "))


def about(cls: type[Method]) -> About:
    """The parsed docstring of the method's file, or of its class if the module holds other
    things."""
    file = sys.modules[cls.__module__].__doc__ or ""
    own = inspect.cleandoc(cls.__doc__ or "")
    if own.startswith(f"{cls.__name__}("):
        own = ""  # the signature that a dataclass without a docstring is given
    if ":" in cls.name() and own and not _TITLE.fullmatch(file.strip().partition("\n")[0]):
        file = own
    return read(file or own, cls.__name__)


def read(docstring: str, label: str) -> About:
    """The parsed ``docstring``; ``label`` is the default label."""
    first, _, rest = docstring.strip().partition("\n")
    named = _TITLE.fullmatch(first)
    blocks = _blocks(rest)
    cited = next((match for block in blocks if (match := _CITED.fullmatch(" ".join(block.split())))), None)
    where = cited.groupdict() if cited else {}
    return About(
        label=named["label"] if named else label,
        title=(named["title"] if named else first).removesuffix("."),
        authors=where.get("authors", ""),
        paper=where.get("paper", ""),
        venue=where.get("venue", ""),
        year=int(where["year"]) if where else None,
        link=where.get("link", ""),
        body=tuple(block for block in blocks if cited is None or " ".join(block.split()) != cited[0]),
    )


def _blocks(text: str) -> list[str]:
    """Paragraphs and formulas: what an empty line, or the beginning or end of an indentation, sets
    apart."""
    blocks: list[list[str]] = []
    before = None
    for line in text.split("\n"):
        kind = "" if not line.strip() else "formula" if line.startswith("    ") else "prose"
        if kind and kind != before:
            blocks.append([])
        if kind:
            blocks[-1].append(line.rstrip())
        before = kind
    return ["\n".join(block) for block in blocks]
