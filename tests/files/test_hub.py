"""The hub of Hugging Face, with a client that stands in for its library: nothing leaves the machine."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from didact.files.hub import pull, push
from didact.spec import RequestError


class Hub(types.ModuleType):
    """Keeps repositories in a folder and notes what is asked."""

    constants = types.SimpleNamespace(ENDPOINT="https://hub.example")

    def __init__(self, folder: Path) -> None:
        super().__init__("huggingface_hub")
        self.folder = folder
        self.asked: list[Any] = []

    def HfApi(self) -> "Hub":
        return self

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
        self.asked.append((name, private, exist_ok))
        (self.folder / name).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, *, repo_id: str, folder_path: Path, allow_patterns: list[str]) -> None:
        for name in allow_patterns:
            (self.folder / repo_id / name).write_bytes((folder_path / name).read_bytes())

    def snapshot_download(self, name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        self.asked.append((name, revision))
        if not (self.folder / name).is_dir():
            raise LookupError(f"404: {name}\nnot found")
        return str(self.folder / name)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    one = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", one)
    pull.cache_clear()
    return one


def packed(path: Path) -> Path:
    path.mkdir()
    for name in ("model.safetensors", "didact.json", "README.md", "secret.txt"):
        (path / name).write_text(name)
    return path


def test_there_and_back(hub: Hub, tmp_path: Path) -> None:
    assert push(packed(tmp_path / "net"), "me/net", private=True) == "https://hub.example/me/net"
    assert hub.asked == [("me/net", True, True)]
    folder = pull("hub:me/net@v1")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "didact.json", "model.safetensors"]
    assert pull("hub:me/net@v1") == folder
    assert hub.asked[1:] == [("me/net", "v1")]  # fetched once
    pull("hub:me/net")
    assert hub.asked[2:] == [("me/net", None)]


def test_what_goes_wrong_is_said(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="hub:me/other was not fetched: LookupError: 404: me/other not found"):
        pull("hub:me/other")
    for name in ("net", "a/b/c", "", "../x"):
        with pytest.raises(RequestError, match="is owner/name"):
            push(tmp_path, name, private=False)
        with pytest.raises(RequestError, match="is owner/name"):
            pull(f"hub:{name}")
    with pytest.raises(RequestError, match="me/net was not sent: FileNotFoundError"):
        push(tmp_path, "me/net", private=False)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for ask in (lambda: pull("hub:me/new"), lambda: push(tmp_path, "me/new", private=False)):
        with pytest.raises(RequestError, match=r"huggingface_hub cannot be imported .*\[hub\]"):
            ask()
