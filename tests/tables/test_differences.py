"""Differences in every table: seed by seed, with their own spread, and "-" where there is nothing to compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from didact.analysis.probe import LogisticProbe, Probed
from didact.data import Data
from didact.measure.probe import ProbeResult
from didact.report.figures.grid import grid
from didact.runs.run import Run
from didact.spec import strict_json
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.comparison import comparisons
from didact.tables.grid import Grid
from didact.tables.measures import Measure
from didact.tables.study import Column, Study
from didact.tables.table import Quantity, Table, text
from didact.tables.transfer import transfers
from support.compared import record

Figures = dict[Run, float]
"""Of runs, in percent."""


def test_a_study(tiny: Callable[..., Run]) -> None:
    """Means differ by 6; over seeds 0 and 1, which both have, the differences are 1 and 3."""
    first, second = tiny(seed=100), tiny(seed=101)
    base = [(tiny("kd", teacher=first, seed=s), v) for s, v in ((0, 70.0), (1, 71.0), (2, 60.0))]
    other = [(tiny("at", teacher=first, seed=s), v) for s, v in ((0, 71.0), (1, 74.0), (5, 74.0))]
    apart = [(tiny("sp", teacher=second, seed=7), 90.0), (tiny("sp", teacher=second, seed=8), nan)]
    columns = tuple(
        Column(label, (teacher,), {"kd": {"resnet8": tuple(run for run, _ in figures)}})
        for label, teacher, figures in (("base", first, base), ("other", first, other), ("apart", second, apart))
    )
    records: dict[str, Record] = {run.digest: record(v) for run, v in (*base, *other, *apart, (first, 80.0))}
    study = Study("title", columns, 0, {"s1": "resnet8"})
    table = study.accuracies(records, "kd")
    assert tuple(map(text, table.rows[1])) == ("s1", "67.00 ± 6.08", "73.00 ± 1.73 (+2.00 ± 1.41, n=2)", "90.00 (-) n=1")
    figures = json.loads(strict_json(table.figures))["s1"]
    assert figures["apart"]["values"] == [90.0, None] and figures["apart"]["difference"]["mean"] is None
    gain = figures["other"]["difference"]
    assert (sorted(gain["values"]), gain["n"], gain["mean"], sorted(gain["seeds"])) == ([1.0, 3.0], 2, 2.0, [[0], [1]])
    assert [tuple(map(text, row)) for row in study.cost_table(records).rows] == [
        ("base", "2.0", "-")
    ]  # the processor's seconds are not known


def test_a_grid(tiny: Callable[..., Run], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        (row, column): [tiny(method, seed=s) for s in (0, 1)]
        for row, column, method in (("kd", "a", "kd"), ("kd", "b", "at"), ("sp", "a", "sp"), ("sp", "b", "pkt"))
    }
    values = {("kd", "a"): (50.0, 60.0), ("kd", "b"): (52.0, 66.0), ("sp", "a"): (40.0, nan), ("sp", "b"): (inf, 41.0)}
    by_digest = {run.digest: v for key, runs in made.items() for run, v in zip(runs, values[key], strict=True)}
    rows = {row: {column: tuple(made[row, column]) for column in "ab"} for row in ("kd", "sp")}
    measure = Measure("top-1", lambda store, runs, device, tell: by_digest)
    monkeypatch.setattr(Store, "get", lambda self, run: record(0.0))
    table = Grid("title", rows, ("a", "b"), "a", (measure,), average=True).tables(store, "cpu", lambda line: None)[0]
    shown = [tuple(map(text, row)) for row in table.rows]
    assert shown[0] == ("kd", "55.00 ± 7.07", "59.00 ± 9.90 (+4.00 ± 2.83)")
    assert shown[1] == ("sp", "40.00", "41.00 (-)")  # no seed with both figures
    assert shown[2] == ("mean", "47.50", "50.00 (-)")
    assert table.figures is not None and set(table.figures) == {"kd", "sp"}
    figure = grid([table])
    assert figure is not None and [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["kd", "sp"]
    assert grid([replace(table, rows=table.rows[2:])]) is None
    assert table.note.endswith("; in brackets: difference to 'a', paired by seed.")
    other = {row: {"b": cells["b"]} for row, cells in rows.items()}
    (table,) = Grid("title", other, ("a", "b"), "a", (measure,)).tables(store, "cpu", lambda line: None)
    assert table.note.endswith(" No differences: 'a', to which the others are compared, is not finished.")


@pytest.mark.parametrize("command", ["compare", "study", "grid", "probe"])
def test_one_definition(command: str, tiny: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """The means differ by 6.5; over seeds 0 and 1, which students of both teachers have, the differences are 1 and 3."""
    standard, other = tiny(net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    first = {tiny("kd", teacher=standard, seed=seed): top1 for seed, top1 in enumerate((70.0, 71.0, 60.0))}
    second = {tiny("kd", teacher=other, seed=seed): top1 for seed, top1 in ((0, 71.0), (1, 74.0), (5, 75.5))}
    records = {run.digest: record(top1) for run, top1 in (first | second).items()}
    monkeypatch.setattr(Store, "get", lambda self, run: records[run.digest])
    table = DIFFERENCES[command](standard, other, first, second, records)
    (plain,) = [
        cell.difference or cell.sample
        for row in table.rows
        for cell in row
        if isinstance(cell, Quantity) and (cell.difference or cell.sign)
        if (cell.difference or cell.sample).n
    ]
    assert (sorted(plain.known), plain.mean, plain.n) == ([1.0, 3.0], 2.0, 2)
    assert "n=2" in "".join(text(cell) for row in table.rows for cell in row)


def _compare(standard: Run, other: Run, first: Figures, second: Figures, records: dict[str, Record]) -> Table:
    runs = [*first, *second]
    (compared,) = comparisons([(run, records[run.digest]) for run in runs], records)
    return compared.table()


def _study(standard: Run, other: Run, first: Figures, second: Figures, records: dict[str, Record]) -> Table:
    columns = [Column(t.net, (), {"kd": {"resnet8": tuple(runs)}}) for t, runs in ((standard, first), (other, second))]
    return Study("title", tuple(columns), 0, {"s1": "resnet8"}).accuracies(records, "kd")


def _grid(standard: Run, other: Run, first: Figures, second: Figures, records: dict[str, Record]) -> Table:
    measure = Measure("top-1", lambda store, runs, device, tell: {r.digest: v for r, v in (first | second).items()})
    grid_ = Grid("title", {"kd": {"a": tuple(first), "b": tuple(second)}}, ("a", "b"), "a", (measure,))
    return grid_.tables(Store(Path()), "cpu", lambda line: None)[0]


def _probe(standard: Run, other: Run, first: Figures, second: Figures, records: dict[str, Record]) -> Table:
    results = [
        ProbeResult(run, Data(name="stl10"), LogisticProbe(), 32, 5000, 8000, Probed((top1,), (top1,)))
        for run, top1 in (first | second).items()
    ]
    (transfer,) = transfers(results)
    return transfer.table()


DIFFERENCES = {"compare": _compare, "study": _study, "grid": _grid, "probe": _probe}
