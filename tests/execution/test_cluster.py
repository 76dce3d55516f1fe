"""What keeps a Ray cluster from being used, without one: it is not installed, or does not accept the token."""

from __future__ import annotations

import sys

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
