"""What PyTorch's own files need is refused where it is missing, or does not fit."""

from __future__ import annotations

import sys

import pytest
import torch

from didact.deploy.forms.contract import find
from didact.spec import SpecError


def test_a_torchao_of_another_torch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchao 0.18 can be installed next to torch 2.9, and cannot be imported there."""
    monkeypatch.setattr("didact.deploy.forms.pt2.find_spec", lambda name: object())
    monkeypatch.setattr("didact.deploy.forms.pt2.version", lambda name: "0.18.0")
    monkeypatch.setitem(sys.modules, "torchao.quantization.pt2e", None)
    find("pt2").check_installed(32)
    with pytest.raises(SpecError) as refused:
        find("pt2").check_installed(8)
    said = str(refused.value)
    assert said.startswith("to: pt2 needs torchao for 8 bits, and torchao 0.18.0 cannot be imported with torch ")
    assert torch.__version__ in said and said.endswith("for torch 2.9, pip install 'torchao<0.18'")


def test_a_torchao_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("didact.deploy.forms.pt2.find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"which is not installed: pip install 'didact-distill\[pt2\]'"):
        find("pt2").check_installed(8)
