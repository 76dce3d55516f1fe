"""Docstrings as reStructuredText: they are written to be read in an editor."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from didact.catalogue.formulas import latex


def readable(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Indented blocks after an empty line are shown as they stand; what would be taken for markup elsewhere is escaped."""
    lines[:] = _set(lines)
    made: list[str] = []
    literal = False
    for i, line in enumerate(lines):
        indented = line.startswith("    ")
        begins = indented and not literal and i > 0 and not lines[i - 1].strip()
        if begins and not _in_section(lines[:i]):
            opened = next((other for other in reversed(lines[:i]) if other.strip()), "").endswith("::")  # .. math::, too
            made += [] if opened else ["::", ""]
            literal = True
        elif line.strip() and not indented:
            literal = False
        made.append(line if literal else _escaped(line))
    first = [""] if what == "attribute" else []  # napoleon takes what stands before a colon in the first line for a type
    lines[:] = first + made


def _set(lines: list[str]) -> list[str]:
    """The lines with every formula whose LaTeX is known as a formula of its own; others stay as they stand."""
    shown: list[str] = []
    block: list[str] = []
    for line in [*lines, ""]:
        if line.startswith("    ") and (block or not shown or not shown[-1].strip()):
            block.append(line)
            continue
        known = latex("\n".join(block)) if block else None
        shown += block if known is None else [".. math::", "", *(f"    {part}" for part in known.split("\n")), ""]
        block = []
        shown.append(line)
    return shown[:-1]


def _in_section(lines: list[str]) -> bool:
    """Whether the last line that is not indented is the heading of a section, such as ``Args:``."""
    outer = [line for line in lines if line.strip() and not line.startswith(" ")]
    return bool(outer) and re.fullmatch(r"[A-Z][a-z]+( [a-z]+)?:", outer[-1]) is not None


def _escaped(line: str) -> str:
    """A line of prose; what stands between backticks is left alone."""
    parts = re.split(r"(:\w+(?::\w+)?:`[^`]*`|``.*?``|`[^`]*`_*)", line)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"[*|](?=\S)|(?<=\w)_(?!\w)", r"\\\g<0>", parts[i])
    return "".join(parts)


def without_fields(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """The arguments of a dataclass are its fields, which follow with their types and meanings."""
    fields = what == "class" and dataclasses.is_dataclass(thing)
    return ("", returned) if fields else (signature, returned)


def elsewhere(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out functions that a module has from another library; None: as autodoc would have it."""
    return True if inspect.isfunction(thing) and not thing.__module__.startswith("didact") else None


def setup(app: Any) -> dict[str, bool]:
    """Come before napoleon, which reads sections."""
    app.connect("autodoc-process-docstring", readable, priority=400)
    app.connect("autodoc-process-signature", without_fields)
    app.connect("autodoc-skip-member", elsewhere)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
