"""What keeps a Ray cluster from being used, without one: it is not installed, or does not accept the token."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from didact.execution import cluster
from didact.execution.executors.ray import Ray
from didact.spec import RequestError, SpecError


def test_a_machine_without_ray_is_told_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(SpecError, match=r"on: Ray cannot be imported .*install the extra \[ray\]"):
        Ray().check("cpu")


@pytest.mark.parametrize(
    ("reason", "wants"),
    [
        ("RPC error: Unauthenticated: InvalidAuthToken\nmore", "; it wants RAY_AUTH_MODE=token and the token"),
        ("Failed to connect to Ray cluster at head:6379", "; it may want RAY_AUTH_MODE=token and the token"),
        ("Connection refused", ": Connection refused. Start one"),
    ],
)
def test_a_refused_token_is_named(reason: str, wants: str) -> None:
    message = cluster._refusal("head:6379", ConnectionError(reason))
    assert message.startswith(f"there is no Ray cluster at 'head:6379' that can be used from here{wants}")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_an_address_where_nothing_listens_is_not_waited_for(address: str) -> None:
    with pytest.raises(RequestError, match=r"there is no Ray cluster at .*Start one with ray start --head"):
        cluster._check_listens(address)


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_two_first_commands_have_one_token(first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there with its content or not at all, whichever of them is first."""
    token = tmp_path / "folder" / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))

    def drawn(length: int) -> str:
        assert not token.exists() and length == 32
        if first == "theirs":
            token.write_text("theirs")
            token.chmod(0o600)
        return "ours"

    monkeypatch.setattr(cluster.secrets, "token_hex", drawn)
    cluster.private_token(create=True)
    assert token.read_text() == first and stat.S_IMODE(token.stat().st_mode) == 0o600
    assert os.listdir(token.parent) == ["token"]
    cluster.private_token(create=True)
    assert token.read_text() == first


def test_a_file_system_without_hard_links_has_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))

    def refused(source: str, target: Path) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "link", refused)
    cluster.private_token(create=True)
    assert len((tmp_path / "token").read_text()) == 64 and os.listdir(tmp_path) == ["token"]
