"""The Python code of the documents: it compiles, what it imports is there, and what is small runs."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from support.documents import Snippet, documents

SNIPPETS = [snippet for page in documents() for snippet in page.snippets]

OF_THE_READER = ("onnxruntime", "mynets")
"""Libraries and files that a snippet may import and that need not be here."""

RUN = ("docs/analysis.md", "docs/concepts.md", "docs/devices.md", "docs/methods.md", "docs/pools.md", "docs/studies.md")
"""Pages with snippets that are run as they stand: those that train nothing and need no store."""

TOY = '{"net": "resnet8", "precision": "fp32", "epochs": 1, "data": {"per_class": 6}, "recipe": {"batch_size": 16}, '


def place(snippet: Snippet) -> str:
    return f"{snippet.page}:{snippet.line}"


@pytest.mark.parametrize("snippet", SNIPPETS, ids=place)
def test_it_compiles_and_what_it_imports_is_there(snippet: Snippet) -> None:
    tree = ast.parse(snippet.code, place(snippet))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in imports:
        source = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        assert source is not None
        if source not in OF_THE_READER or importlib.util.find_spec(source):
            exec(compile(ast.Module([node], []), place(snippet), "exec"), {})


def alone(snippet: Snippet) -> bool:
    return snippet.page in RUN and not any(word in snippet.code for word in ("Store(", "np.load("))


@pytest.mark.parametrize("snippet", [snippet for snippet in SNIPPETS if alone(snippet)], ids=place)
def test_what_is_small_runs(snippet: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)  # a dataclass looks for its module there
    exec(compile(snippet.code, place(snippet), "exec"), vars(module))


def test_snippets_are_found_on_every_page_that_is_run() -> None:
    assert {snippet.page for snippet in SNIPPETS if alone(snippet)} == set(RUN)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/concepts.md"])
def test_what_trains_runs_at_toy_scale(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_digits: None) -> None:
    (snippet,) = (snippet for snippet in SNIPPETS if snippet.page == page and "execute(" in snippet.code)
    monkeypatch.chdir(tmp_path)
    code = snippet.code.replace('{"net": "resnet8", ', TOY).replace('"seeds": 3', '"seeds": 1')
    assert TOY in code and '"seeds": 1' in code
    exec(compile(code, place(snippet), "exec"), {"__name__": "snippet"})
