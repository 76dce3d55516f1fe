"""The model hub of Hugging Face, through its own library. Nothing is sent or fetched unless it is
asked for by name."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from didact.files.packed import ABOUT, CARD, WEIGHTS
from didact.spec import RequestError, clean, shown
from didact.spec.extras import installation

PREFIX = "hub:"
"""``hub:owner/name`` or ``hub:owner/name@revision`` is a network there."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def push(folder: Path, name: str, *, private: bool) -> str:
    """Send a packed network to ``owner/name``, which is made where there is none; its address.

    Raises:
        RequestError: no such name can be, the library is not installed, or the hub refuses.
    """
    client = _library()
    _check(name)
    try:
        hub = client.HfApi()
        hub.create_repo(name, private=private, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, allow_patterns=[WEIGHTS, ABOUT, CARD])
        return f"{hub.endpoint}/{name}"
    except Exception as error:  # of the library and of the network below it
        raise RequestError(f"{name} was not sent: {_reason(error)}") from None


@functools.cache
def pull(name: str) -> Path:
    """The folder into which ``hub:owner/name``, with a revision or without, is fetched.

    Raises:
        RequestError: as :func:`push`.
    """
    client = _library()
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    _check(repository)
    try:
        wanted = ["*.safetensors", "*.json", CARD]
        return Path(client.snapshot_download(repository, revision=revision or None, allow_patterns=wanted))
    except Exception as error:  # of the library and of the network below it
        raise RequestError(f"{name} was not fetched: {_reason(error)}") from None


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise RequestError(f"huggingface_hub cannot be imported ({error}); {installation('hub')} brings it") from None
    return huggingface_hub


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise RequestError(f"a network on the hub is owner/name, found {shown(name)}")


def _reason(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
