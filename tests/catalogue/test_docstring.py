"""Docstrings taken apart, and that every method's file has all the parts."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from didact.catalogue.docstring import about, read
from didact.method import Method
from didact.spec import catalogue, find

FILE = """FitNets: a hint from an intermediate feature.

Romero, Ballas: FitNets: Hints for Thin (and Deep) Nets
(ICLR workshop 2015), https://arxiv.org/abs/1412.6550

    L = gamma CE
        + beta D
where D is written here:
    D = mean((r(fs) - ft)^2)

Prose, with a second paper in it (CVPR 2024), https://arxiv.org/abs/1.
- a list
  that goes on
"""


def test_a_file_in_its_parts() -> None:
    told = read(FILE, "Hint")
    assert (told.label, told.title) == ("FitNets", "a hint from an intermediate feature")
    assert told.authors == "Romero, Ballas"
    assert told.paper == "FitNets: Hints for Thin (and Deep) Nets"
    assert (told.venue, told.year, told.link) == ("ICLR workshop", 2015, "https://arxiv.org/abs/1412.6550")
    assert told.formulas == ("L = gamma CE\n    + beta D", "D = mean((r(fs) - ft)^2)")
    assert told.notes[0] == "where D is written here:"
    assert told.notes[1].endswith("- a list\n  that goes on")
    assert len(told.body) == 4
    assert told.body[0].startswith("    L = ")
    assert told.citation.startswith("Romero, Ballas: FitNets: Hints for Thin (and Deep) Nets (ICLR workshop 2015), https")


@pytest.mark.parametrize("text", ["", "One line", "No such form: at all, really.\n\nSee https://x.org", "\n\n    x = 1\n"])
def test_any_docstring_will_do(text: str) -> None:
    told = read(text, "Mine")
    assert told.label
    assert (told.paper, told.year, told.citation) == ("", None, "")


@pytest.mark.parametrize("name", catalogue(*Method.homes))
def test_every_file_says_what_it_is(name: str) -> None:
    told = about(find(Method, name))
    assert told.label
    assert told.title
    assert told.notes or told.formulas or name == "ce"
    if name != "ce":
        assert told.formulas, "a formula block, indented by four spaces"
        assert told.authors and told.paper and told.venue and told.year, "Authors: Title (VENUE YEAR), https://..."
        assert told.link.startswith("https://")
        assert 1990 < told.year < 2100


def test_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = "from didact.method import Method\nfrom didact.spec import spec\n"
    body = "@spec\nclass {0}(Method):\n    {1}\n    def terms(self, extras, context):\n        return {{}}\n"
    both = body.format("Told", '"""Scaled labels.\n\n        L = s CE\n\n    Mine.\n    """') + body.format("Silent", "")
    (tmp_path / "own_bare.py").write_text(head + both)
    (tmp_path / "own_parts.py").write_text('"""Networks and methods of mine."""\n' + head + both)
    (tmp_path / "own_house.py").write_text(f'"""{FILE}"""\n' + head + both)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    def of(name: str) -> str:
        return about(find(Method, name)).heading

    assert of("own_bare:Told") == of("own_parts:Told") == "Told: Scaled labels"
    assert about(find(Method, "own_bare:Told")).formulas == ("L = s CE",)
    assert of("own_bare:Silent") == "Silent"
    assert of("own_parts:Silent") == "Silent: Networks and methods of mine"
    assert of("own_house:Told") == of("own_house:Silent") == "FitNets: a hint from an intermediate feature"
