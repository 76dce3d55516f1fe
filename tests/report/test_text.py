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


def drawn(table: Table, width: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_table(Screen(width=width, force_terminal=True, color_system=None), table)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return lines


def test_a_narrow_terminal_breaks_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(
        ("digest", "data", "accuracy"),
        (("0123456789abcdef", "a folder of photographs at 224x224", "54.17 ± 5.89"), ("fedcba9876543210", "", "61.5 ± 1.2")),
        title="Runs",
        note="± is a deviation",
    )
    assert len(drawn(table, 100, capsys)) == 8
    lines = drawn(table, 60, capsys)
    shown = "\n".join(lines)
    assert lines[1].startswith("┏")
    words = ("0123456789abcdef", "photographs", "224x224", "54.17 ± 5.89", "fedcba9876543210", "accuracy")
    assert all(word in shown for word in words)
    assert drawn(table, 40, capsys) == [
        "Runs",
        "digest    0123456789abcdef".ljust(26),
        "data      a folder of photographs at    ",
        "          224x224                       ",
        "accuracy  54.17 ± 5.89".ljust(22),
        "",
        "digest    fedcba9876543210".ljust(26),
        "accuracy  61.5 ± 1.2".ljust(20),
        "± is a deviation",
    ]


def test_a_table_without_rows_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a long name" in "\n".join(drawn(Table(("a long name", "digest"), ()), 30, capsys))
