"""The set formulas are those of the docstrings, all of them, and of nothing but what every reader knows."""

from __future__ import annotations

import re

import pytest

from didact.catalogue import formulas, pages
from didact.catalogue.methods import describe
from didact.method import Method
from didact.spec import catalogue

KNOWN = (
    "aligned|cases|alpha|beta|bar|begin|cdot|cos|end|epsilon|exp|frac|gamma|ge|hat|lambda|le|left|leftarrow|log|mathrm|max|mid|"
    "min|nabla|neq|quad|right|sigma|sim|sum|text|theta|tilde|times|top|varphi|Vert"
)
"""What GitHub, latex2mathml and the other readers of LaTeX know."""


def blocks() -> list[str]:
    """The formulas of all docstrings."""
    return [block for name in catalogue(*Method.homes) for block in describe(name).about.formulas]


def test_every_formula_of_a_method_is_set_and_no_other() -> None:
    found = [block.strip() for block in blocks()]
    assert len(found) > 25
    assert sorted(set(found)) == sorted(formulas.pairs())


def test_pages_have_no_formula_as_plain_text() -> None:
    texts = pages.pages()
    assert not [line for text in texts.values() for line in text.splitlines() if line.startswith("    ")]
    assert sum(text.count("```math\n") for text in texts.values()) == len(blocks())


def test_what_has_no_latex_stays_as_it_stands() -> None:
    """As in the docstring of a method from elsewhere, or after a change."""
    assert formulas.latex("    L = a new one") is None
    assert formulas.markdown("    L = a new one") == "    L = a new one"


@pytest.mark.parametrize("plain", list(formulas.pairs()), ids=lambda plain: plain[:30])
def test_formulas_use_what_every_reader_knows(plain: str) -> None:
    latex = formulas.pairs()[plain]
    assert not [name for name in re.findall(r"\\([A-Za-z]+)", latex) if not re.fullmatch(KNOWN, name)]
    assert not re.search(r"\\[,;!{}_|]", latex), "a Markdown reader may take the backslash for its own"
    assert latex.count("{") == latex.count("}")
    convert = pytest.importorskip("latex2mathml.converter", reason="latex2mathml is of the extra docs").convert
    assert "\\" not in re.sub(r"<[^>]*>", "", convert(latex, display="block"))
