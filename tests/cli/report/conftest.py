"""For tests of reports: a page without the plotting library, and finished runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from didact.report.page import library
from didact.runs.run import Run
from didact.store.store import Store
from support.reported import ended, metrics
from support.studied import CRD, SIMKD, finish, runs


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes seconds to make the plotting library's script."""
    pytest.importorskip("vl_convert", reason="the extra [report] is not installed")
    monkeypatch.setattr(library, "script", lambda: "window.vegaEmbed = null;")


@pytest.fixture
def two(tiny: Callable[..., Run], store: Store) -> list[Run]:
    """Two students without a teacher, finished."""
    runs = [tiny("ce", seed=seed) for seed in range(2)]
    for run in runs:
        ended(store, run, metrics(60.0 + run.seed), command="didact train --net resnet8 <b>")
    return runs


@pytest.fixture
def both(store: Store) -> list[str]:
    """The commands of two studies, whose runs are finished."""
    for number, line in enumerate((CRD, SIMKD)):
        for run in runs(line):
            finish(store, line, run, 60.0 + number + (2.0 if "at" not in run.label else 2.02) * run.seed)
    return [CRD, SIMKD]
