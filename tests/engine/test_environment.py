"""The record of a training's circumstances."""

from __future__ import annotations

import shlex

import pytest

from didact.engine.environment import environment


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (["/usr/bin/didact", "train", "--net", "resnet8"], "didact train --net resnet8"),
        (["/x/didact/__main__.py", "study", "simkd", "--only", "method=plain kl"], None),
    ],
)
def test_the_command_can_be_typed_again(typed: list[str], recorded: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", typed)
    found = environment("cpu")["command"]
    assert found == (recorded or "python -m didact study simkd --only 'method=plain kl'")
    assert shlex.split(found)[-len(typed) + 1 :] == typed[1:]
