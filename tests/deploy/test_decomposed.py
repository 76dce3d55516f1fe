"""The integers of a training in 8 bits in torch's own operations."""

from __future__ import annotations

import pytest
import torch

from didact.deploy.decomposed import Decomposed
from didact.deploy.lowering import _for_xnnpack, _kind
from didact.deploy.qdq import integral
from didact.nets.quantised import points, quantise
from support.training import network

IMAGE = (1, 16, 16)


@pytest.mark.parametrize("weight_scales", ["channel", "layer"])
@pytest.mark.parametrize("signed", [False, True])
def test_they_answer_as_the_network(signed: bool, weight_scales: str) -> None:
    net = network("resnet8")
    quantise(net, points(net, IMAGE), weight_scales)
    images = torch.rand(32, *IMAGE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(2):
            net(images)
        net.eval()
        own, found = net(images), integral(net, Decomposed(signed))(images)
    assert float((own - found).abs().mean()) < 1e-3 * float(own.std()), "biases are those of the training, too"


class Layers(torch.nn.Module):
    """Two layers of integers; the first ends in integers, which both the second and a sum read."""

    def __init__(self, scale: torch.Tensor) -> None:
        super().__init__()
        words, self.relu = Decomposed(signed=True), torch.nn.ReLU()
        self.before, self.between = (words.rounding(torch.tensor(0.1), torch.tensor(128)) for _ in range(2))
        self.register_buffer("whole", torch.arange(-8, 8, dtype=torch.int8).reshape(4, 4))
        self.floats = torch.nn.ModuleList(words.floats(scale, torch.int8) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = torch.nn.functional.linear(self.before(x), self.floats[0](self.whole))
        middle = self.between(self.relu(first))
        return torch.nn.functional.linear(middle, self.floats[1](self.whole)) + middle


@pytest.mark.parametrize("scale", [torch.full((4,), 0.5), torch.tensor(0.5)], ids=["channel", "layer"])
def test_xnnpack_gets_floats_where_no_integers_follow(scale: torch.Tensor) -> None:
    images = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(Layers(scale).eval(), (images,))
    net = program.module()
    wanted = net(images)
    _for_xnnpack(net)
    kinds = [_kind(node) for node in net.graph.nodes if node.op == "call_function"]
    assert torch.equal(net(images), wanted)
    back = [node for node in net.graph.nodes if node.op == "call_function" and "dequantize" in _kind(node)]
    weights = [node for node in back if node.args[0].op == "get_attr"]
    assert [_kind(node) for node in weights] == [f"dequantize_per_{'channel' if scale.dim() else 'tensor'}"]
    assert kinds.count("quantize_per_tensor") == 2
    assert [len(node.users) for node in back] == [1, 1, 1, 1], "three of activations, and the layer that ends in integers"
