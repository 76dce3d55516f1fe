"""The distribution: its name, its extras, its version."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import didact
from didact.cli.main import main
from didact.spec import DISTRIBUTION, extras, installation

INSTALLED_FROM = extras._installed_from
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_it_is_called_as_messages_say() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert PROJECT["scripts"] == {"didact": "didact.cli.main:entry"}


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (None, "'didact-distill[search]'"),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, "'didact-distill[search]'"),
        ({"url": "file:///my/didact", "dir_info": {"editable": True}}, "-e '/my/didact[search]'"),
        ({"url": "file:///my%20own/didact", "dir_info": {}}, "'/my own/didact[search]'"),
    ],
)
def test_extras_come_from_where_didact_came_from(
    origin: dict[str, object] | None, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    info = tmp_path / "didact_distill-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: didact-distill\nVersion: 1\n")
    if origin is not None:
        (info / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(extras, "_installed_from", INSTALLED_FROM)
    INSTALLED_FROM.cache_clear()
    assert installation("search") == f"pip install {said}"
    INSTALLED_FROM.cache_clear()


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
