"""Locks of runs: how many are held at once, and a store in which none can be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.execution.progress import Event, JobBegins
from didact.files.checked import file_checksum
from didact.files.disk import UnwritableError
from didact.runs.run import Run
from didact.store.store import Store
from didact.store.upkeep import locks

NET = "basic-4-1x4-1x8"
DATA = Data(name="digits", classes=2, per_class=4)
RECIPE = Recipe(epochs=1, batch_size=8)
ALONE, OTHER = (Run(net=NET, data=DATA, recipe=RECIPE, seed=seed) for seed in (0, 7))
WHERE = Execution(test_every=9)


def contents(root: Path) -> dict[Path, str | None]:
    return {path: file_checksum(path) for path in root.rglob("*")}


def test_a_store_that_is_only_read_answers_and_trains_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    execute([ALONE], store, WHERE)
    before = contents(store.root)

    def refused(*arguments: Any, **named: Any) -> None:
        raise AssertionError("nothing is written")

    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    monkeypatch.setattr(os, "replace", refused)
    assert {*execute([ALONE], store, WHERE).records} == {ALONE.digest}
    said = r"nothing can be kept in the store .*store: it is read-only, or another user's; name another one \(--store"
    with pytest.raises(UnwritableError, match=said):
        execute([ALONE, OTHER], store, WHERE)
    assert contents(store.root) == before


@pytest.mark.skipif(os.name != "posix", reason="open files are limited in the thousands")
def test_no_more_runs_are_locked_at_once_than_files_can_be_opened(tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = len(os.listdir("/dev/fd")) + 12
    runs = [Run(net=NET, data=DATA, recipe=RECIPE, seed=seed) for seed in range(8)]
    cohorts: list[int] = []

    def show(event: Event) -> None:
        if isinstance(event, JobBegins):
            cohorts.append(len(event.runs))

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
        assert locks.most() <= 6
        answer = execute(runs, Store(tmp_path), Execution(cohort_size=64), show)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(answer.records) == sum(cohorts) == 8 and max(cohorts) <= 6
