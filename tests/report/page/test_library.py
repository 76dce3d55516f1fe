"""The plotting library: there once, small enough, and named where it is missing."""

from __future__ import annotations

import sys

import pytest

from didact.report.page import html, library
from didact.spec import RequestError
from support.reported import everything


def test_a_page_with_the_library_is_small() -> None:
    pytest.importorskip("vl_convert", reason="the extra [report] is not installed")
    text = html.render(everything())
    assert len(text.encode()) < 1_200_000 and text.count("window.vegaEmbed") == 1
    assert "</script" not in library.script().lower()


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(RequestError, match=r"vl-convert-python: pip install 'didact-distill\[report\]'"):
        library.check_installed()
