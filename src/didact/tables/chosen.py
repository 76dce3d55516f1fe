"""The column that the validation images choose for each row, such as its learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.store.store import Store
from didact.tables.grid import Grid
from didact.tables.table import Cell, Table, compared, figures


@dataclass(frozen=True)
class Chosen:
    """For every row the column with the highest mean accuracy on validation images, and its test
    accuracy. Nothing for runs without a validation split.

    Attributes:
        grid: the runs.
        what: what a column is.
    """

    grid: Grid
    what: str

    def __call__(self, store: Store) -> list[Table]:
        compared_rows = (row for row in self.grid.rows if row not in self.grid.plain)
        best = {row: one for row in compared_rows if (one := self._best(row, store)) is not None}
        if not best:
            return []
        base = best.get(self.grid.base)
        body: dict[str, list[Cell]] = {
            row: [column, compared(held, None), compared(tested, None if base is None or row == self.grid.base else base[2])]
            for row, (column, held, tested) in best.items()
        }
        heads = (self.what, "validation accuracy (%)", "test accuracy (%)")
        note = (
            f"The {self.what} with the highest mean accuracy on the validation images, after the last epoch; "
            f"the test set chooses nothing. In brackets: difference to '{self.grid.base}' at its own {self.what}, paired by seed."
        )
        title = f"{self.grid.title}: the {self.what} chosen on validation images"
        rows = tuple((row, *cells) for row, cells in body.items())
        return [Table(("", *heads), rows, title, note, figures(heads, body))]

    def _best(self, row: str, store: Store) -> tuple[str, Sample, Sample] | None:
        held = {column: _sample(runs, store, "validation_top1") for column, runs in self.grid.rows[row].items()}
        known = {column: sample for column, sample in held.items() if sample is not None and sample.n}
        if not known:
            return None
        column = max(known, key=lambda one: known[one].mean or 0.0)
        tested = _sample(self.grid.rows[row][column], store, "test_top1")
        return None if tested is None else (column, known[column], tested)


def _sample(runs: Sequence[Run], store: Store, key: str) -> Sample | None:
    finished = [(run, record.final()) for run in runs if (record := store.get(run)) is not None]
    return Sample.of(((run, row[key]) for run, row in finished if key in row), runs)
