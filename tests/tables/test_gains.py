"""Differences in studies and grids: seed by seed, with their own spread, and "-" where there is nothing to compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan
from pathlib import Path
from typing import Any

from didact.report.sheets import drawn
from didact.runs.run import Run
from didact.spec import strict_json
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.grid import Grid, Measure
from didact.tables.study import Column, Study


@dataclass(frozen=True)
class Known(Record):
    """A Record that knows its last accuracy and its seconds."""

    top1: float

    def metrics(self) -> list[dict[str, Any]]:
        return [{"epoch": 1, "test_top1": self.top1, "seconds": 2.0}]


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
    records: dict[str, Record] = {run.digest: Known(Path(), v) for run, v in (*base, *other, *apart, (first, 80.0))}
    study = Study("title", columns, 0, {"s1": "resnet8"})
    sheet = study.accuracies(records, "kd")
    assert sheet.rows[1] == ("s1", "67.00 ± 6.08", "73.00 ± 1.73 (+2.00 ± 1.41, n=2)", "90.00 (-) n=1")
    figures = json.loads(strict_json(sheet.plain))["s1"]
    assert figures["apart"]["values"] == [90.0, None] and figures["apart"]["difference"]["mean"] is None
    assert figures["other"]["difference"] | {"values": 0, "std": 0} == {"values": 0, "n": 2, "mean": 2.0, "std": 0}
    assert study.costs(records).rows == (("base", "2.0", "-"),)  # the processor's seconds are not known


def test_a_grid(tiny: Callable[..., Run], store: Store, monkeypatch: Any, tmp_path: Path) -> None:
    made = {
        (row, column): [tiny(method, seed=s) for s in (0, 1)]
        for row, column, method in (("kd", "a", "kd"), ("kd", "b", "at"), ("sp", "a", "sp"), ("sp", "b", "pkt"))
    }
    values = {("kd", "a"): (50.0, 60.0), ("kd", "b"): (52.0, 66.0), ("sp", "a"): (40.0, nan), ("sp", "b"): (inf, 41.0)}
    by_digest = {run.digest: v for key, runs in made.items() for run, v in zip(runs, values[key], strict=True)}
    rows = {row: {column: tuple(made[row, column]) for column in "ab"} for row in ("kd", "sp")}
    measure = Measure("top-1", lambda store, runs, device, tell: by_digest)
    monkeypatch.setattr(Store, "get", lambda self, run: Known(Path(), 0.0))
    (sheet,) = Grid("title", rows, ("a", "b"), "a", (measure,), average=True).sheets(store, "cpu", lambda line: None)
    assert sheet.rows[0] == ("kd", "55.00 ± 7.07", "59.00 ± 9.90 (+4.00 ± 2.83)")
    assert sheet.rows[1] == ("sp", "40.00", "41.00 (-)")  # no seed with both figures
    assert sheet.rows[2] == ("mean", "47.50", "50.00 (-)")
    drawn([sheet], tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size
