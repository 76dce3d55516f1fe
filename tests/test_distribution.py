"""The distribution: its name, its extras, its version."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import didact
from didact.cli.main import main
from didact.spec import DISTRIBUTION, installation

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_is_called_as_messages_say() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert PROJECT["scripts"] == {"didact": "didact.cli.main:entry"}
    assert installation("search") == "pip install 'didact-distill[search]'"


def test_every_extra_that_is_named_exists() -> None:
    texts = [path.read_text(encoding="utf-8") for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md")]]
    assert len(texts) > 100
    pattern = re.compile(r"(?:installation\(['\"]|didact-distill\[)(\w+)")
    named = {extra for text in texts for extra in pattern.findall(text)}
    assert {"search"} <= named <= set(PROJECT["optional-dependencies"])
    assert not [text for text in texts if re.search(r"didact\[[a-z]+\]", text)], "the distribution has another name"


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == didact.__version__


def test_the_installed_version_is_the_packages() -> None:
    try:
        installed = version(DISTRIBUTION)
    except PackageNotFoundError:
        pytest.skip("runs from the source folder: the distribution is not installed")
    assert installed == didact.__version__
