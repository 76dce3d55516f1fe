"""Tables on the terminal: text as it is, and not as rich's markup."""

from __future__ import annotations

import pytest

from didact.report.text import print_table, stdout
from support.awkward import AWKWARD, NAME


def test_nothing_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(stdout(), AWKWARD)
    shown = capsys.readouterr().out
    title, *lines = shown.splitlines()
    assert title == NAME and lines[-2:] == ["# first", "KL(teacher || student) in 5_000 <nats>"]
    for text in (r"[red]kd[/red] | \x1b[2J", "größe ± 日本", "71.25 ± 1.77 (-2.00 ± 1.41) n=2", "-1.25", "+3.5", "78,042"):
        assert text in shown
    assert "\x1b" not in shown
