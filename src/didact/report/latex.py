"""Tables in LaTeX: a floating table of the package booktabs."""

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
    "[": "{[}",  # the end of a row takes a bracket or a star behind it for its own
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
_CHARACTERS = re.compile("[" + re.escape("".join(_SPECIAL)) + "]|-(?=-)")


def render(table: Table) -> str:
    """Title as the caption, table, note. Needs ``\\usepackage{booktabs}``. Nothing in them is taken for a command."""
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
    """Plain text as LaTeX; characters beyond ASCII that have no command are left to the encoding of the document."""
    return _CHARACTERS.sub(lambda found: _SPECIAL.get(found[0], "-{}"), text)


def _cell(cell: Cell) -> str:
    """Figures have a minus sign, and not a hyphen."""
    plain = escaped(text(cell))
    return plain if isinstance(cell, str) else re.sub(r"-(?=\d)", "$-$", plain)


def _row(cells: list[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
