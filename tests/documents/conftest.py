"""A folder with what the documents' commands name."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.workplace import furnish


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workplace")
    furnish(folder)
    return folder


@pytest.fixture
def there(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory is the workplace, and modules are found in it."""
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))
    return workplace
