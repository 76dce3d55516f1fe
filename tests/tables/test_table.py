"""Cells of tables: figures with their spread, difference and number, whole numbers, what is not defined."""

from __future__ import annotations

from math import nan

import pytest

from didact.runs.spread import Sample
from didact.tables.table import Cell, Quantity, Table, compared, figures, text

SAMPLE, BASE = Sample((11.0, 22.0, 90.0), (1, 2, 5)), Sample((20.0, 10.0, 0.0, nan), (2, 1, 7, 5))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (compared(SAMPLE, BASE, 3), "41.00 ± 42.79 (+1.50 ± 0.71, n=2)"),
        (compared(Sample((5.0,), (9,)), BASE, 3), "5.00 (-) n=1"),
        (compared(None, BASE, 3), ""),
        (Quantity(Sample((nan,)), of=3), "-"),
        (Quantity(Sample((1.0, 3.0)), Sample((0.5, 1.5)), 1, spread=False), "2.0 (+1.0)"),
        (Quantity.single(1.5, 1, sign=True), "+1.5"),
        (2021, "2021"),
        (78_042, "78,042"),
        (0.05, "0.05"),
        (nan, "-"),
        ("a\nb", r"a\nb"),
    ],
)
def test_cells(cell: Cell, shown: str) -> None:
    assert text(cell) == shown


def test_figures_for_programs() -> None:
    body: dict[str, list[Cell]] = {"kd": [compared(SAMPLE, BASE), "text"], "at": ["", compared(BASE, None)]}
    plain = figures(["a", "b"], body)
    assert set(plain["kd"]) == {"a"} and set(plain["at"]) == {"b"} and "difference" not in plain["at"]["b"]
    assert plain["kd"]["a"]["difference"]["n"] == 2 and plain["at"]["b"]["values"] == (20.0, 10.0, 0.0, None)
    assert Table(("", "a", "b"), tuple((row, *cells) for row, cells in body.items())).numeric == (False, True, True)
