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


@pytest.mark.parametrize("signed", [False, True])
def test_they_answer_as_the_network(signed: bool) -> None:
    net = network("resnet8")
    quantise(net, points(net, IMAGE))
    images = torch.rand(32, *IMAGE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for _ in range(2):
            net(images)
        net.eval()
        own, found = net(images), integral(net, Decomposed(signed))(images)
    assert float((own - found).abs().mean()) < 1e-3 * float(own.std()), "biases are those of the training, too"


class Layers(torch.nn.Module):
    """Two layers of integers; the first ends in integers, which both the second and a sum read."""

    def __init__(self) -> None:
        super().__init__()
        words = Decomposed(signed=True)
        self.words, self.relu = words, torch.nn.ReLU()
        self.before, self.between = (words.rounding(torch.tensor(0.1), torch.tensor(128)) for _ in range(2))
        self.register_buffer("whole", torch.arange(-8, 8, dtype=torch.int8).reshape(4, 4))
        self.register_buffer("scale", torch.full((4,), 0.5))
        self.register_buffer("zero", torch.zeros(4, dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = torch.nn.functional.linear(self.before(x), self.words.floats(self.whole, self.scale, self.zero))
        middle = self.between(self.relu(first))
        return torch.nn.functional.linear(middle, self.words.floats(self.whole, self.scale, self.zero)) + middle


def test_xnnpack_gets_floats_where_no_integers_follow() -> None:
    images = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(Layers().eval(), (images,))
    net = program.module()
    wanted = net(images)
    _for_xnnpack(net)
    kinds = [_kind(node) for node in net.graph.nodes if node.op == "call_function"]
    assert torch.equal(net(images), wanted)
    assert kinds.count("dequantize_per_channel") == 1, "the layer that ends in integers"
    assert kinds.count("dequantize_per_tensor") == 3 and kinds.count("quantize_per_tensor") == 2
    readers = [len(node.users) for node in net.graph.nodes if _kind(node) == "dequantize_per_tensor"]
    assert readers == [1, 1, 1]
