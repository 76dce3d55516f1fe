"""Every link between the project's Markdown files leads somewhere, on GitHub and in an editor."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.documents import Document, documents


def broken(page: Document) -> list[str]:
    """What is wrong with the links of a page, a line each."""
    faults = []
    for link in page.links:
        target = (page.path.parent / link.target).resolve() if link.target else page.path
        where = f"{page.path.name}:{link.line}"
        if not target.exists():
            faults.append(f"{where}: there is no {link.target}")
        elif link.anchor and target.suffix == ".md" and link.anchor not in Document(target).anchors:
            faults.append(f"{where}: {target.name} has no heading #{link.anchor}")
        elif link.anchor and target.suffix != ".md":
            faults.append(f"{where}: #{link.anchor} is in no Markdown file")
    return faults


def test_every_link_and_anchor_is_there() -> None:
    pages = documents()
    assert len(pages) > 30
    assert sum(1 for page in pages for _ in page.links) > 100
    assert [fault for page in pages for fault in broken(page)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](other.md#the-end) [b](#here-twice-1) [c](https://x.org/none.md)", []),
        ("[a](none.md)", ["page.md:6: there is no none.md"]),
        ("one\n[a](other.md#end)", ["page.md:7: other.md has no heading #end"]),
        ("[a](#nowhere)", ["page.md:6: page.md has no heading #nowhere"]),
        ("![picture](none.png)", ["page.md:6: there is no none.png"]),
        ("| [a](none.md) |\n| --- |\n| `[b](none.md)` |", ["page.md:6: there is no none.md"]),
    ],
)
def test_what_is_broken_is_named_with_its_line(text: str, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# The end?\n")
    (tmp_path / "page.md").write_text(f"# Here, twice\n\n## Here: `twice`\n\n\n{text}\n")
    assert broken(Document(tmp_path / "page.md")) == said
