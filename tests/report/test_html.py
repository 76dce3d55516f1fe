"""Tables in HTML: read back by a parser, the texts are those of the table."""

from __future__ import annotations

from html.parser import HTMLParser

from didact.report import html
from support.awkward import AWKWARD, NAME


class Texts(HTMLParser):
    """By element, its texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)


def test_a_table() -> None:
    parser = Texts()
    parser.feed(html.render(AWKWARD))
    assert not parser.open and set(parser.texts) == {"caption", "th", "td", "p"}
    assert parser.texts["caption"] == [NAME] and parser.texts["p"] == ["# first", "KL(teacher || student) in 5_000 <nats>"]
    assert parser.texts["th"] == [
        *("method", NAME, "n|a", "parameters"),
        *(r"[red]kd[/red] | \x1b[2J", 'größe ± 日本, "quoted"', "* --star_"),
    ]
    cells = ["71.25 ± 1.77 (-2.00 ± 1.41) n=2", "-", "78,042", "-1.25", "950", "= text", "+3.5", "-"]
    assert parser.texts["td"] == cells
