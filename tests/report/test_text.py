"""Tables on the terminal: text as it is, and not as rich's markup."""

from __future__ import annotations

import pytest

from didact.report.text import Screen, print_table, stdout
from didact.report.widths import hanging
from didact.tables.table import Table
from support.awkward import AWKWARD, NAME


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


def test_a_digest_stays_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    words = "a run's long name in several words"
    lines = drawn(Table(("digest", *"abcdef"), (("0123456789abcdef", *[words] * 6),)), 80, capsys)
    assert max(map(len, lines)) == 80 and "0123456789abcdef" in "".join(lines)


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
    assert drawn(table, 30, capsys) == [
        "Runs",
        "digest    0123456789abcdef".ljust(26),
        "data      a folder of         ",
        "          photographs at      ",
        "          224x224             ",
        "accuracy  54.17 ± 5.89".ljust(22),
        "",
        "digest    fedcba9876543210".ljust(26),
        "accuracy  61.5 ± 1.2".ljust(20),
        "± is a deviation",
    ]


WIDE = Table(
    ("method", *(f"teacher_number_{name}" for name in "abcd")),
    tuple((method, *["54.17 ± 5.89"] * 4) for method in ("the teacher", "kd")),
    note="to go on:\n  didact train " + "--setting value " * 8,
)


def test_a_wide_table_of_figures_goes_on_below_with_its_first_column(capsys: pytest.CaptureFixture[str]) -> None:
    lines = drawn(Table(WIDE.columns, WIDE.rows), 64, capsys)
    heads = [line for line in lines if line.startswith("┃") and "method" in line]
    rows = [line for line in lines if line.startswith("│")]
    assert [head.count("teacher") for head in heads] == [2, 2]
    assert [line.split("│")[1].strip() for line in rows] == ["the teacher", "kd"] * 2
    assert "".join(rows).count("54.17 ± 5.89") == 8


RUNS = Table(
    ("digest", "run", "data", "recipe", "accuracy"),
    (("0123456789abcdef", "resnet8.kd.s0", "digits", "240 epochs, batch 64, steps 0.05, fp32", 71.25),) * 2,
    details=("recipe", "data"),
)


@pytest.mark.parametrize(
    ("width", "names", "missing"),
    [
        (110, "digest run data recipe accuracy", ""),
        (80, "digest run data recipe accuracy", ""),
        (66, "digest run data accuracy", "recipe"),
        (48, "digest run accuracy", "data, recipe"),
    ],
)
def test_a_narrow_terminal_leaves_out_details_and_says_so(
    width: int, names: str, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = drawn(RUNS, width, capsys)
    assert lines[1].replace("┃", "").split() == names.split()
    assert sum(line.startswith("│") for line in lines) <= 2 * len(RUNS.rows)
    said = f"no room for: {missing}; a wider terminal or --format csv shows all"
    assert " ".join(" ".join(lines).split()).endswith(said) == bool(missing)


def test_a_pipe_has_a_line_for_each_row_as_long_as_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "a folder of photographs " * 20
    print_table(
        stdout(), Table(("digest", "data", "top-1"), (("0123", long, 7.5), ("4567", "", 61.25)), "Runs", "a note " * 30)
    )
    assert capsys.readouterr().out.split("\n") == [
        "Runs",
        f"digest  {'data':{len(long)}}  top-1",
        f"0123    {long}    7.5",
        f"4567    {'':{len(long)}}  61.25",
        "a note " * 30,
        "",
    ]


def test_a_command_in_a_note_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Screen(width=60, force_terminal=True, color_system=None), WIDE)
    assert "  didact train " + "--setting value " * 8 in capsys.readouterr().out.splitlines()


def test_text_goes_on_at_its_own_indentation() -> None:
    text = "a word and another\n    L = a + b          (Eq. 1)\n        of a setting, in words\n  didact train --net resnet8"
    assert hanging(text, 24).split("\n") == [
        "a word and another",
        "    L = a + b    (Eq. 1)",
        "        of a setting, in",
        "        words",
        "  didact train --net resnet8",
    ]
    assert hanging(text, 100) == text


def test_a_table_without_rows_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a long name" in "\n".join(drawn(Table(("a long name", "digest"), ()), 30, capsys))
