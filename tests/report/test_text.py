"""Tables on the terminal: text as it is, and not as rich's markup."""

from __future__ import annotations

import pytest

from didact.report.text import Screen, print_table, stdout
from didact.tables.table import Table
from support.awkward import AWKWARD, NAME


def test_a_digest_stays_in_one_piece(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = "a run's long name in several words"
    print_table(Screen(), Table(("digest", *"abcdef"), (("0123456789abcdef", *[words] * 6),)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 80 and "0123456789abcdef" in "".join(lines)


def test_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(stdout(), AWKWARD)
    shown = capsys.readouterr().out
    title, *lines = shown.splitlines()
    assert title == NAME and lines[-2:] == ["# first", "KL(teacher || student) in 5_000 <nats>"]
    for text in (r"[red]kd[/red] | \x1b[2J", "größe ± 日本", "71.25 ± 1.77 (-2.00 ± 1.41) n=2", "-1.25", "+3.5", "78,042"):
        assert text in shown
    assert "\x1b" not in shown
