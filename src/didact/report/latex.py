"""Tables in LaTeX: floating tables with the package booktabs."""

from __future__ import annotations

import re

from didact.spec import clean, clean_lines
from didact.tables.table import Cell, Table, text

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after the end of a row, LaTeX reads a bracket or a star as an argument
    "*": "{*}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "²": r"$^2$",
    "✓": "yes",
    "✗": "no:",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_MINUS = r"(?<![^\s(\[])-(?=\d)"  # in a text, which may have a network's name, only where a word begins
_CHARACTERS = re.compile(f"[{re.escape(''.join(_SPECIAL))}]|(?P<minus>{_MINUS})|-(?=-)")


def render(table: Table) -> str:
    """The title as caption, the table and the note. Needs ``\\usepackage{booktabs}``. All text is
    escaped."""
    alignment = "".join("r" if numeric else "l" for numeric in table.numeric)
    lines = [r"\begin{table}", r"  \centering"]
    lines += [f"  \\caption{{{escaped(clean(table.title))}}}"] if table.title else []
    lines += [
        f"  \\begin{{tabular}}{{{alignment}}}",
        r"    \toprule",
        _row([escaped(clean(name)) for name in table.columns]),
    ]
    lines += [r"    \midrule", *(_row([_cell(cell) for cell in row]) for row in table.rows)]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    note = [escaped(line) for line in clean_lines(table.note).split("\n") if line]
    lines += [r"  \par\footnotesize " + r" \\ ".join(note)] if note else []
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def escaped(text: str) -> str:
    """Plain text as LaTeX, with minus signs before numbers. Characters beyond ASCII without a command stay;
    the document's encoding covers them."""
    return _CHARACTERS.sub(lambda match: "$-$" if match["minus"] else _SPECIAL.get(match[0], "-{}"), text)


def _cell(cell: Cell) -> str:
    """A cell as LaTeX; a number has minus signs wherever digits follow."""
    plain = escaped(text(cell))
    return plain if isinstance(cell, str) else re.sub(r"(?<!\$)-(?=\d)", "$-$", plain)


def _row(cells: list[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
