"""The site builds without a warning, and reads nothing from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.documents import ROOT

pytest.importorskip("sphinx", reason="the site is built by the extra docs")
pytest.importorskip("furo", reason="the site is built by the extra docs")

FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
"""What a browser loads by itself."""


class Page(HTMLParser):
    """A page's anchors, its links, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif (tag, name) in FETCHED and value:
                self.fetched.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = f"sphinx -q -W --keep-going -c docs/site -d {out}/cache . {out}/html".split()
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return out / "html"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_links_lead_somewhere_and_nothing_comes_from_elsewhere(site: Path) -> None:
    # viewcode lists builtins among the modules of its index, which nothing links to
    listed = site / "_modules/index.html"
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts and path != listed}
    assert len(pages) > 50
    faults = []
    for path, page in pages.items():
        faults += [f"{path.name}: loads {url}" for url in page.fetched if urlsplit(url).netloc]
        for link in [*page.links, *page.fetched]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                faults.append(f"{path.name}: there is no {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                faults.append(f"{path.name}: no anchor {link}")
    assert faults == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert "url(http" not in styles and "url(//" not in styles and "@import" not in styles


@pytest.mark.slow
def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "docs/methods/logits.html").read_text(encoding="utf-8")
    assert text.count("<math") >= 4 and "MathJax" not in text
    assert "didact.methods.kd" in text  # the source leads to the module's page
    reference = "".join(path.read_text(encoding="utf-8") for path in (site / "docs/reference").glob("*.html"))
    assert reference.count("<math") >= 20  # of docstrings, too
