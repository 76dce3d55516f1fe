"""Tables as comma-separated values: read back by the library, with every figure in full."""

from __future__ import annotations

import csv

import pytest

from didact.report import csv as report
from didact.runs.spread import Sample
from didact.tables.table import Quantity, Table
from support.awkward import AWKWARD, NAME


def read(table: Table) -> tuple[list[str], list[list[str]]]:
    """The comments, and the lines of cells."""
    lines = report.render(table).splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    return comments, list(csv.reader(lines[len(comments) :]))


def test_a_table() -> None:
    comments, (head, *rows) = read(AWKWARD)
    assert comments == [f"# {NAME}", "# # first", "# KL(teacher || student) in 5_000 <nats>"]
    ends = [f"{NAME} difference{part}" for part in ("", " std", " n", " ci95 low", " ci95 high")]
    assert head == ["method", NAME, f"{NAME} std", f"{NAME} n", *ends, "n|a", "parameters"]
    kd, size, star = (dict(zip(head, row, strict=True)) for row in rows)
    assert kd["method"] == r"[red]kd[/red] | \x1b[2J" and (kd["n|a"], kd["parameters"]) == ("", "78042")
    figures = [float(kd[name]) for name in head[1:9]]
    half = 12.7062 * 2**0.5 / 2**0.5  # Student's t for one degree of freedom, times the standard error
    assert figures == pytest.approx([71.25, 2.5 / 2**0.5, 2, -2, 2**0.5, 2, -2 - half, -2 + half], abs=1e-3)
    assert size["method"] == 'größe ± 日本, "quoted"' and [size[name] for name in head[1:9]] == ["-1.25", "", "1", *[""] * 5]
    assert star[NAME] == "= text" and (star["n|a"], star["parameters"]) == ("3.5", "")


def test_differences_of_their_own_and_means_over_rows() -> None:
    gain = Quantity(Sample((1.0, 3.0), (0, 1)), sign=True)
    mean = Quantity(Sample((1.0, 3.0)), spread=False)
    _, (head, *rows) = read(Table(("", "difference"), (("kd", gain), ("mean", mean))))
    assert head == ["", *(f"difference{part}" for part in ("", " std", " n", " ci95 low", " ci95 high"))]
    assert rows[1] == ["mean", "2.0", "", "2", "", ""]
    assert float(rows[0][-1]) == pytest.approx(2 + 12.7062, abs=1e-3)
