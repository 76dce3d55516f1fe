"""PyTorch's own files: near the network in 8 bits; what they need is refused where it is missing, or does not fit."""

from __future__ import annotations

import io
import sys

import pytest
import torch

from didact.deploy.forms.contract import find
from didact.spec import SpecError
from support.training import network


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


def test_eight_bits_are_near_and_in_every_layer() -> None:
    """Also with torch 2.9, whose search for layers knows less of how a network was exported."""
    pytest.importorskip("torchao", reason="the extra pt2 is not installed, or not for this torch", exc_type=ImportError)
    net, form, images = network("resnet8", 10, 3).eval().requires_grad_(False), find("pt2"), torch.rand(16, 3, 16, 16)
    model = form.model_of(net, (3, 16, 16), [0.5] * 3, [0.5] * 3)
    file = form.quantised(model, [images], False, "channel")
    layers = [one for one in net.modules() if isinstance(one, torch.nn.Conv2d | torch.nn.Linear)]
    kept = torch.export.load(io.BytesIO(file)).state_dict.values()
    assert sum(one.dtype == torch.int8 for one in kept if one.dim() > 1) == len(layers)
    exact = net(2 * images - 1)
    assert 0 < float((form.logits_of(file, [images]) - exact).abs().max()) < 0.1 * float(exact.abs().max())
