"""Where networks are quantised, what stays as it is, and how ranges of activations are found."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from didact.nets import create
from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.quantised import Quantiser, is_range, points, quantise, settle, unseen
from didact.nets.quantised.layers import PACE, QuantisedConv2d, weight_scales
from support.training import network

IMAGE = (1, 16, 16)


def quantised(name: str) -> BlockNet:
    net = network(name)
    return quantise(net, points(net, IMAGE))


def test_the_places_in_a_residual_network() -> None:
    found = points(network("resnet8"), IMAGE)
    layers = [name for name, part in network("resnet8").named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert sorted(found.sources) == sorted(layers)
    own = [name for name, source in found.sources.items() if name == source]
    assert own == ["stem.0", "head.classifier"], (
        "only the images and the pooled vector are not quantised where they are made"
    )
    assert sorted(found.norms) == sorted(name for name in layers if name != "head.classifier")
    kinds = dict(network("resnet8").named_modules())
    assert {type(kinds[name]) for name in found.outputs} == {nn.ReLU, nn.BatchNorm2d}
    for name in found.outputs:
        if isinstance(kinds[name], nn.BatchNorm2d):
            assert "branch" in name or "shortcut" in name, "a norm before an activation is none"


@pytest.mark.parametrize("name", ["mobilenet_v2", "wrn_16_1", "shufflenet_v2", "vgg8", "resnet8"])
def test_all_layers_are_quantised_and_nothing_twice(name: str) -> None:
    """Every layer has one source, and nothing but images and pooled vectors is quantised by a layer itself."""
    net = create(name, 10, 1)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    found = points(net, (1, 32, 32))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items()) and net.training
    assert [source for layer, source in found.sources.items() if layer == source][-1] == "head.classifier"
    assert len([layer for layer, source in found.sources.items() if layer == source]) == 2
    with torch.device("meta"):
        assert points(create(name, 10, 1), (1, 32, 32)) == found
    made = quantise(net, found)
    assert [key for key in made.state_dict() if not is_range(key)] == list(before)
    assert made.shapes((1, 32, 32)) == create(name, 10, 1).shapes((1, 32, 32))


def test_features_and_weights_have_few_values() -> None:
    net = quantised("resnet8")
    images = torch.rand(8, *IMAGE)
    shown = net(images), net.eval().outputs(images)
    for feature in shown[1].features:
        assert len(feature.unique()) <= 256
    assert shown[1].logits is not None and len(shown[1].logits.unique()) == 80, "logits are not rounded"


def test_an_unseen_range_lets_pass_and_a_seen_one_follows() -> None:
    part = Quantiser()
    x = torch.tensor([-1.0, 0.3, 2.0])
    assert torch.equal(part.eval()(x), x)
    part.train()(x)
    assert part.range.tolist() == [-1, 2]
    part(torch.tensor([0.5, 4.0]))
    torch.testing.assert_close(part.range, torch.tensor([-1 + PACE, 2 + 2 * PACE]))
    kept = part.range.clone()
    part.eval()(torch.tensor([-9.0, 9.0]))
    assert torch.equal(part.range, kept)


def test_zeros_are_seen_and_stay_zeros() -> None:
    part = Quantiser()
    assert torch.equal(part(torch.zeros(3)), torch.zeros(3))
    assert float(part.range[1]) > 0 and torch.equal(part.eval()(torch.zeros(3)), torch.zeros(3))


def test_settled_statistics_stay_and_weights_learn_on() -> None:
    net = quantised("resnet8")
    images = torch.rand(8, *IMAGE)
    net.train()(images)
    settle(net)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net(2 * images).square().mean().backward()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.train()(2 * images)
    assert any(not torch.equal(value, before[key]) for key, value in net.state_dict().items() if is_range(key))


def test_nothing_settles_before_an_image_was_seen() -> None:
    """A method may begin with epochs in which its student is not run."""
    net = quantised("resnet8").train()
    places = unseen(net)
    assert len(places) == sum(isinstance(part, Quantiser) for part in net.modules()) and places[0] == "stem.0"
    settle(net)
    before = {key: value.clone() for key, value in net.state_dict().items() if "running" in key}
    net(torch.rand(8, *IMAGE))
    assert not unseen(net) and not any(torch.equal(net.state_dict()[key], value) for key, value in before.items())


def test_a_layer_with_one_scale_follows_its_norm() -> None:
    """All channels of what a layer and its norm compute lie on one grid, whatever the statistics; names stay."""
    net = network("resnet8")
    names = list(net.state_dict())
    quantise(net, points(net, IMAGE), "layer")
    assert [key for key in net.state_dict() if not is_range(key)] == names
    assert len(list(net.parameters())) == len(list(network("resnet8").parameters()))
    for module in (net, copy.deepcopy(net)):
        parts = dict(module.named_modules())
        norm, layer = parts["stem.1"], parts["stem.0"]
        assert isinstance(norm, nn.BatchNorm2d) and isinstance(layer, QuantisedConv2d) and norm.running_var is not None
        before = weight_scales(layer)
        norm.running_var[0] = 0.25 - norm.eps
        assert float(weight_scales(layer)[0] / weight_scales(layer)[1]) == pytest.approx(0.5, rel=1e-4)
        assert float(before[0] / before[1]) == pytest.approx(1, rel=1e-4)


def test_a_copy_has_ranges_of_its_own() -> None:
    net = quantised("resnet8")
    twin = copy.deepcopy(net)
    twin(torch.rand(8, *IMAGE))
    ranges = [value for key, value in net.state_dict().items() if is_range(key)]
    assert ranges and not any(bool(value.any()) for value in ranges)


class Reusing(nn.Module):
    """One activation and one convolution, run twice: a range would be that of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act, self.last = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.conv(self.act(self.conv(x)))))


def test_what_runs_twice_is_left_in_floats() -> None:
    net = BlockNet(nn.Conv2d(1, 4, 3), [("1", Block(Reusing()))], Head(4, 10))
    found = points(net, IMAGE)
    assert found.outputs == ("stem", "blocks.1.body.last")
    assert found.sources == {
        "stem": "stem",
        "blocks.1.body.last": "blocks.1.body.last",
        "head.classifier": "head.classifier",
    }
    made = quantise(net, found)
    assert made(torch.rand(2, *IMAGE)).shape == (2, 10)
