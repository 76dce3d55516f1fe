"""The figure of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from didact.report.figures.generic import generic
from didact.report.figures.grid import grid
from didact.store.store import Store
from didact.tables.study import Study
from didact.tables.table import Table


def study(paper: Any, tables: Sequence[Table], store: Store) -> Figure | None:
    """For a :class:`Study`: students by teacher, and the teachers' costs. For others: the
    quantities of all tables.

    Returns:
        None if nothing to show is finished.
    """
    if isinstance(paper, Study):
        return generic(paper, paper.records(store))
    return grid([table for table in tables if not {"verdict", "epoch"} & set(table.columns)])
