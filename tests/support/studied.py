"""For tests of reports: studies whose runs are finished, with metrics that nobody trained."""

from __future__ import annotations

import shlex

from didact.papers.contract import find
from didact.request.tokens import parse
from didact.runs.run import Run, everything
from didact.store.store import Store
from support.reported import ended, metrics

CRD = "crd --scale digits --method kd,at --seeds 2"
SIMKD = "simkd --scale digits --pairs resnet14/resnet8 --method 'plain kl' --only rate=0.01 --seeds 2"
COLUMNS = ("resnet14/resnet8", "0.01", "standard", "SFTN")


def runs(line: str) -> list[Run]:
    """The runs of the study in ``line`` that are in one of the COLUMNS, and their teachers before them."""
    name, *words = shlex.split(line)
    grids = find(name)(parse(words), "cpu").grids  # type: ignore[attr-defined]
    cells = [cell for grid in grids for row in grid.rows.values() for column, cell in row.items() if column in COLUMNS]
    return everything([run for cell in cells for run in cell])


def finish(store: Store, line: str, run: Run, top1: float) -> None:
    """Leave a Record of ``run`` by the study's command, unless there is one."""
    if store.opened(run) is None:
        ended(store, run, metrics(top1), command=f"didact study {line} --store s --test-every 9")
