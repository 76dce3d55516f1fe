"""The answers of one epoch, kept and read by several processes at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from didact.store.answers.epoch import EpochAnswers
from didact.store.answers.series import Answers, Keep
from didact.tensors import Batch, Outputs


def test_two_processes_at_once_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both compute the epoch and put the same file in place; one that is dropped meanwhile is computed again."""
    batch = Batch(torch.rand(2, 1, 4, 4), torch.zeros(2, dtype=torch.long), torch.arange(2))
    answers = Answers(tmp_path, 10**9)
    about = {"teacher": "1234"}

    def begin() -> EpochAnswers:
        return EpochAnswers(answers, answers.open(about, "one"), Keep(), 0, 1)

    with begin() as one:
        assert one.recall("main", frozenset({"logits"}), batch) is None
        one.keep("main", Outputs(logits=torch.ones(2, 3)))
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with begin() as two:
            assert two.recall("main", frozenset({"logits"}), batch) is None
            two.keep("main", Outputs(logits=torch.ones(2, 3)))
    with begin() as three:
        answers.drop("one")
        shown = three.recall("main", frozenset({"logits"}), batch)
        assert shown is None
        three.keep("main", Outputs(logits=torch.ones(2, 3)))  # its folder is gone, which is no error
    with begin() as four:
        assert four.recall("main", frozenset({"logits"}), batch) is None
        four.keep("main", Outputs(logits=torch.ones(2, 3)))
    with begin() as five:
        shown = five.recall("main", frozenset({"logits"}), batch)
        assert shown is not None and shown.logits is not None and torch.equal(shown.logits, torch.ones(2, 3))
    assert not [*tmp_path.rglob("*.tmp")]
