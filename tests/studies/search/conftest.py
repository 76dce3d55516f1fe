"""The trained teacher of ``searched``, and everything that its supernet predicts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from didact.studies.execute import Where, ask
from didact.studies.front import Front
from didact.studies.limits import Search
from didact.studies.search import search
from didact.studies.store import Store
from searched import TEACHER


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the teacher in it. Tests that count predictions copy it."""
    root = tmp_path_factory.mktemp("trained")
    assert not ask([TEACHER], Store(root), Where(test_every=8)).failures
    return root


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Store:
    """The trained teacher, of whose students nothing is known."""
    forgets = shutil.ignore_patterns("predicted-*", "search-*")
    return Store(shutil.copytree(trained, tmp_path / "store", ignore=forgets))


@pytest.fixture(scope="session")
def whole(trained: Path) -> Front:
    """All 96 students predicted."""
    return search(Store(trained), TEACHER, Search(trials=96))
