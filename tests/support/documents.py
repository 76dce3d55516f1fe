"""The project's Markdown files as tests read them: links, headings, commands and snippets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Link:
    """A link of a document: its line, the path that it names ("" for its own page) and the anchor."""

    line: int
    target: str
    anchor: str


@dataclass(frozen=True)
class Command:
    """A command line of a document. ``inline``: it stands in a sentence or a table, and may be cut short."""

    page: str
    line: int
    text: str
    inline: bool

    @property
    def words(self) -> list[str]:
        """Its words after ``didact``, as a shell divides them; comments are left out."""
        return shlex.split(self.text, comments=True)[1:]

    @property
    def place(self) -> str:
        """Where it stands, for messages and the names of tests."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Snippet:
    """A block of Python code."""

    page: str
    line: int
    code: str

    @property
    def file(self) -> str | None:
        """The name of the file that its first line says it is, such as ``# mine.py``."""
        named = re.match(r"# (\w+\.py)\n", self.code)
        return named and named[1]


@dataclass(frozen=True)
class Document:
    """A Markdown file below the project's folder."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the project."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def tokens(self) -> list[Token]:
        """The blocks of the page, with what stands in their lines as children."""
        return MarkdownIt("commonmark").enable("table").parse(self.path.read_text(encoding="utf-8"))

    @property
    def anchors(self) -> set[str]:
        """The anchors of its headings, as GitHub makes them: a heading that comes again is numbered."""
        found: set[str] = set()
        for opening, content in zip(self.tokens, self.tokens[1:], strict=False):
            if opening.type == "heading_open":
                words = "".join(child.content for child in content.children or () if child.type in ("text", "code_inline"))
                name = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
                found.add(next(n for n in (name, *(f"{name}-{i}" for i in range(1, 99))) if n not in found))
        return found

    @property
    def links(self) -> Iterator[Link]:
        """Its links and pictures within the project."""
        for line, child in self._children("link_open", "image"):
            target = str(child.attrGet("href" if child.type == "link_open" else "src"))
            if not re.match(r"[a-z]+:", target):
                path, _, anchor = unquote(target).partition("#")
                yield Link(line, path, anchor)

    @property
    def commands(self) -> Iterator[Command]:
        """Every ``didact ...`` of its code blocks and between its backticks."""
        for token in self.tokens:
            if token.type in ("fence", "code_block"):
                first = _line(token) + (token.type == "fence")
                for at, line in _shell_lines(token.content):
                    text = line.strip().removeprefix("$ ")
                    if text.startswith("didact "):
                        yield Command(self.name, first + at, text, inline=False)
        for line, child in self._children("code_inline"):
            if child.content.startswith("didact "):
                yield Command(self.name, line, child.content, inline=True)

    @property
    def snippets(self) -> Iterator[Snippet]:
        """Its fences marked as Python, and its indented blocks that begin with an import."""
        for token in self.tokens:
            imports = token.type == "code_block" and token.content.startswith(("from ", "import "))
            if imports or (token.type == "fence" and token.info == "python"):
                yield Snippet(self.name, _line(token), token.content)

    def _children(self, *kinds: str) -> Iterator[tuple[int, Token]]:
        for token in self.tokens:
            line = _line(token)
            for child in token.children or ():
                line += child.type in ("softbreak", "hardbreak")
                if child.type in kinds:
                    yield line, child


def documents() -> list[Document]:
    """All Markdown files of the project that people read."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
    return [Document(path) for path in sorted(paths)]


def _shell_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a block with the number of each, those that end in a backslash joined with the next."""
    whole, start = "", 0
    for at, line in enumerate(text.splitlines()):
        start = start if whole else at
        whole += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield start, whole
            whole = ""


def _line(token: Token) -> int:
    """The line of the file on which a block begins, from 1."""
    return token.map[0] + 1 if token.map else 1
