"""Tables in LaTeX: every character that is a command is escaped, and braces and environments are closed."""

from __future__ import annotations

import re

import pytest

from didact.report import latex
from didact.tables.table import Table
from support.awkward import AWKWARD


def test_a_table() -> None:
    lines = latex.render(AWKWARD).splitlines()
    assert lines[0] == r"\begin{table}" and lines[-1] == r"\end{table}" and r"  \begin{tabular}{lrrr}" in lines
    rows = [line.strip() for line in lines if line.endswith(r"\\")]
    assert rows[1] == (
        r"{[}red]kd{[}/red] \textbar{} \textbackslash{}x1b{[}2J & "
        r"71.25 $\pm$ 1.77 ($-$2.00 $\pm$ 1.41) n=2 & - & 78,042 \\"
    )
    assert rows[2] == r"größe $\pm$ 日本, ''quoted'' & $-$1.25 &  & 950 \\"
    assert rows[3] == r"{*} -{}-star\_ & = text & +3.5 & - \\"
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {3}
    assert (
        lines[-2]
        == r"  \par\footnotesize \# first \\ KL(teacher \textbar{}\textbar{} student) in 5\_000 \textless{}nats\textgreater{}"
    )


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (r"a\b", r"a\textbackslash{}b"),
        (
            "50% of $x_1^2$ & #{y} ~ `z`",
            r"50\% of \$x\_1\textasciicircum{}2\$ \& \#\{y\} \textasciitilde{} \textasciigrave{}z\textasciigrave{}",
        ),
        ("---", "-{}-{}-"),
        ("3×3 · −1 ✓ ✗", r"3$\times$3 $\cdot$ $-$1 yes no:"),
    ],
)
def test_characters(text: str, source: str) -> None:
    assert latex.escaped(text) == source


def test_a_minus_in_a_text_but_no_hyphen_of_a_name() -> None:
    rows = (("basic-16-2x16", "-11.03 to -7.54"), ("a -b", "-9.3 [-11, (-7)]"))
    shown = latex.render(Table(("student", "at -1"), rows, "From -1 to vgg-8", "y = 1.7 -165 x, --bits 8"))
    lines = [line.strip() for line in shown.splitlines()]
    assert [line for line in lines if line.endswith(r"\\")] == [
        r"student & at $-$1 \\",
        r"basic-16-2x16 & $-$11.03 to $-$7.54 \\",
        r"a -b & $-$9.3 {[}$-$11, ($-$7)] \\",
    ]
    assert r"\caption{From $-$1 to vgg-8}" in lines and r"\par\footnotesize y = 1.7 $-$165 x, -{}-bits 8" in lines
