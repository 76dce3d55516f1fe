"""What ``didact list machine`` says of this one."""

from __future__ import annotations

import json
import os
import sys

import pytest
import torch

from didact.cli import main
from didact.engine import precision
from didact.engine.precision import Times


@pytest.mark.parametrize(("bf16", "best"), [(0.25, "bf16"), (0.5, "fp32")])
def test_list_machine(bf16: float, best: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "times", lambda: Times(0.5, bf16))
    assert main.main(["list", "machine", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["device"] == "cpu" and said["threads"] == torch.get_num_threads() and said["torch"] == torch.__version__
    assert said["precision"] == best and said["measured"] == {"fp32": 0.5, "bf16": bf16}
    assert main.main(["list", "machine", "--format", "markdown"]) == 0
    table = capsys.readouterr().out
    assert f"| precision | {best} |" in table and f"| a step in bf16 (ms) | {1000 * bf16} |" in table


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "5"}, None)],
)
def test_threads_sleep_where_they_wait(given: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a command imports torch, and unless the environment says otherwise."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that what the command sets is taken back
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(main, "leave", sys.exit)  # leave itself ends a process whose other tests have left a thread at work
    monkeypatch.setattr(main, "main", lambda: os.environ.get("OMP_WAIT_POLICY") != expected)
    with pytest.raises(SystemExit) as end:
        main.entry()
    assert not end.value.code
