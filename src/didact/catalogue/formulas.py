"""Formulas of the methods set in LaTeX, by the plain text that stands in their docstrings: the pairs of
``formulas.md``."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from importlib.resources import files

PAIR = re.compile(r"((?:^    [^\n]*\n)+)\n```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def pairs() -> dict[str, str]:
    """LaTeX by plain text, both without indentation."""
    text = files("didact.catalogue").joinpath("formulas.md").read_text(encoding="utf-8")
    return {textwrap.dedent(plain).strip(): latex.strip() for plain, latex in PAIR.findall(text)}


def latex(block: str) -> str | None:
    """The LaTeX of an indented block of a docstring; None where none is known, as for methods from elsewhere."""
    return pairs().get(textwrap.dedent(block).strip())


def markdown(block: str) -> str:
    """The block as GitHub and the site show it: set where its LaTeX is known, else as it stands."""
    known = latex(block)
    return block if known is None else f"```math\n{known}\n```"
