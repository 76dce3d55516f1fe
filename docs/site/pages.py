"""The site's navigation, its pages of modules, and its links to files."""

from __future__ import annotations

import pkgutil
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes

import didact

NAVIGATION = {
    "Start": "docs/tutorial docs/tasks docs/concepts",
    "Guides": "docs/methods docs/your-own docs/recipes docs/advice docs/plan docs/peers docs/pools docs/clusters docs/workers "
    "docs/answers docs/weights docs/export docs/quantisation docs/engines docs/devices docs/analysis docs/transfer "
    "docs/studies docs/report docs/store docs/tracking",
    "Methods": "docs/methods/README",
    "Reference": "docs/settings docs/reference/index",
    "Results": "docs/results/README benchmarks/README benchmarks/results/README",
    "Project": "docs/architecture CONTRIBUTING CHANGELOG",
}
"""By heading: its pages. A page that none names is listed among the guides, so that no page is lost."""

FOLDERS = {"docs/methods/README": "docs/methods", "docs/results/README": "docs/results"}
"""Pages that list the others of their folder."""

TITLES = {"didact": "Python interface"}
"""Headings of pages that are not called as their package."""

INNER = ("didact.cli", "didact.__main__")
"""Modules that are not for programs."""


def write_reference(app: Any) -> None:
    """A page for every package with a section for each of its modules, from the docstrings."""
    folder = Path(app.srcdir) / "docs/reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shown = [info for info in pkgutil.walk_packages(didact.__path__, "didact.") if not info.name.startswith(INNER)]
    packages = [info.name for info in shown if info.ispkg]
    modules = [info.name for info in shown if not info.ispkg]
    for package in ["didact", *packages]:
        text = _headed(TITLES.get(package, package), "=") + f".. automodule:: {package}\n\n"
        if package == "didact":
            text += "".join(f"- ``didact.{name}``: :py:obj:`{_home(name)}`\n" for name in didact.__all__) + "\n"
            text += ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {name}\n" for name in packages) + "\n"
        for module in modules:
            if module.rpartition(".")[0] == package:
                text += _headed(module, "-") + f".. automodule:: {module}\n\n"
        path = folder / f"{'index' if package == 'didact' else package}.rst"
        path.write_text(text, encoding="utf-8")


def _home(name: str) -> str:
    """Where a name of the package itself is defined."""
    thing = getattr(didact, name)
    return f"{thing.__module__}.{thing.__qualname__}" if hasattr(thing, "__qualname__") else f"didact.{name}"


def _headed(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n\n"


def _tree(pages: list[str], caption: str = "") -> str:
    """A hidden table of contents of pages, which are named from the project's folder."""
    lines = [f":caption: {caption}"] if caption else []
    return "\n".join(["", "```{toctree}", ":hidden:", *lines, "", *(f"/{page}" for page in pages), "```", ""])


def add_navigation(app: Any, name: str, source: list[str]) -> None:
    """Put tables of contents below the pages that have others below them. GitHub's readers follow the links."""
    documents = app.env.found_docs
    if name == app.config.root_doc:
        named = {page for pages in NAVIGATION.values() for page in pages.split()} | {name}
        inside = (*FOLDERS.values(), "docs/reference")
        lost = sorted(page for page in documents - named if not page.startswith(tuple(f"{folder}/" for folder in inside)))
        for caption, pages in NAVIGATION.items():
            listed = [page for page in pages.split() if page in documents] + (lost if caption == "Guides" else [])
            source[0] += _tree(listed, caption)
    elif name in FOLDERS:
        source[0] += _tree(sorted(page for page in documents if page.startswith(f"{FOLDERS[name]}/") and page != name))


def link_to_modules(app: Any, doctree: nodes.document) -> None:
    """A link to a file of the package leads to its page; one to another file or folder, which is no page, to its name only."""
    from sphinx import addnodes

    page = Path(app.env.doc2path(app.env.current_document.docname)).parent
    for link in list(doctree.findall(addnodes.download_reference)) + list(doctree.findall(addnodes.pending_xref)):
        target = str(link.get("reftarget", ""))
        path = (page / target.partition("#")[0]).resolve()
        if link.get("refdomain") or not path.exists() or not path.is_relative_to(Path(app.srcdir) / "src"):
            continue
        module = ".".join(path.relative_to(Path(app.srcdir) / "src").with_suffix("").parts).removesuffix(".__init__")
        here = app.env.current_document.docname
        told = {
            "refdomain": "py",
            "reftype": "mod",
            "reftarget": module,
            "refexplicit": True,
            "refwarn": True,
            "refdoc": here,
        }
        new = addnodes.pending_xref("", **told)
        new += nodes.literal(text=link.astext())
        link.replace_self(new)


def name_by_title(app: Any, doctree: nodes.document) -> None:
    """A link that shows the path of a page, which is a file on GitHub, shows the page's title here."""
    from sphinx import addnodes

    for link in doctree.findall(addnodes.pending_xref):
        known = link.get("refdomain") == "doc" and link.get("reftarget") in app.env.found_docs
        if known and link.astext().endswith((".md", "/")):
            link["refexplicit"] = False
            for part in list(link.children):
                link.remove(part)


def first_page(app: Any, error: Exception | None) -> None:
    """The project's first page is the site's."""
    if error is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / f"{app.config.root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Any) -> dict[str, bool]:
    """Connect the steps."""
    app.connect("builder-inited", write_reference)
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", link_to_modules)
    app.connect("doctree-read", name_by_title)
    app.connect("build-finished", first_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
