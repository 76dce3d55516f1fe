"""The trained teacher of ``searched``, and everything that its supernet predicts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from didact.execution import Execution, execute
from didact.search.costs import SearchSettings
from didact.search.pareto import ParetoFront
from didact.search.search import search
from didact.store.store import Store
from support.searched import TEACHER


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the teacher in it. Tests that count predictions copy it."""
    root = tmp_path_factory.mktemp("trained")
    assert not execute([TEACHER], Store(root), Execution(test_every=8)).failures
    return root


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Store:
    """The trained teacher, of whose students nothing is known."""
    forgets = shutil.ignore_patterns("predicted-*", "search-*")
    return Store(shutil.copytree(trained, tmp_path / "store", ignore=forgets))


@pytest.fixture(scope="session")
def whole(trained: Path) -> ParetoFront:
    """All 96 students predicted."""
    return search(Store(trained), TEACHER, SearchSettings(trials=96))
