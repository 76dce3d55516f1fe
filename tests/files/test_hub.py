"""The hub of Hugging Face: a client that stands in for its library, and its library with a hub that stands in on this machine.

Nothing leaves the machine.
"""

import hashlib
import inspect
import json
import os
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from didact.files.hub import pull, push
from didact.spec import RequestError


class Hub(types.ModuleType):
    """Keeps repositories in a folder and notes what is asked."""

    endpoint = "https://hub.example"

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


FILES = {"model.safetensors": b"weights", "didact.json": b"{}", "README.md": b"card", "other.bin": b"x"}
COMMIT = "c" * 40


def _sum(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """What the hub answers for the repository me/net."""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition("/")[2]
        if path.startswith("/api/models/me/net/tree"):
            tree = [{"type": "file", "path": name, "size": len(file), "oid": _sum(file)} for name, file in FILES.items()]
            data = json.dumps(tree).encode()
        elif path.startswith("/api/models/me/net"):
            listed = [{"rfilename": name} for name in FILES]
            data = json.dumps({"id": "me/net", "sha": COMMIT, "siblings": listed}).encode()
        elif path.startswith("/me/net/resolve/") and name in FILES:
            data = FILES[name]
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{_sum(data)}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_library_fetches_from_a_hub_on_this_machine(address: str, tmp_path: Path) -> None:
    """In a process of its own: the library reads the hub's address when it is imported."""
    pytest.importorskip("huggingface_hub", reason="the library of the hub fetches")
    lines = [
        "from didact.files.hub import pull",
        "print(pull('hub:me/net'))",
        "try: pull('hub:me/missing')",
        "except ValueError as error: print(error)",
    ]
    own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")} | own
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    folder, missing = done.stdout.splitlines()
    assert Path(folder).is_relative_to(tmp_path)
    there = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert there == {name: data for name, data in FILES.items() if name != "other.bin"}
    assert missing.startswith("hub:me/missing was not fetched")


def test_the_library_takes_what_it_is_given() -> None:
    library = pytest.importorskip("huggingface_hub", reason="it is the library that is called")
    inspect.signature(library.HfApi.create_repo).bind(None, "me/net", private=True, exist_ok=True)
    inspect.signature(library.HfApi.upload_folder).bind(None, repo_id="me/net", folder_path=Path(), allow_patterns=["x"])
    assert library.HfApi().endpoint.startswith("http")
