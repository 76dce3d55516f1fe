"""What a machine has, and networks that it cannot hold."""

from __future__ import annotations

import os

import pytest

from didact.machine import memory
from didact.runs.dry_run import check
from didact.runs.run import Run
from didact.spec import SpecError


def test_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 1000)
    assert memory() == memory("cpu") == 4_096_000

    def silent(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", silent)
    assert memory() is None


def test_a_network_that_does_not_fit_is_refused_before_it_is_built() -> None:
    run = Run(net="resnet8")  # 77,754 parameters with 10 classes and one channel
    assert check(run, memory=12 * 77_754) == []
    with pytest.raises(SpecError, match=r"the 77,754 parameters of resnet8 .* 0\.0 GB .*; take a smaller network"):
        check(run, memory=12 * 77_754 - 1)
    taught = Run(net="resnet8", method={"name": "kd"}, teacher=run)
    with pytest.raises(SpecError, match="resnet8"):
        check(taught, memory=12 * 77_754)  # and the teacher's weights
