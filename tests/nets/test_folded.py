"""The folded network shows what the network shows; what is not certain stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from didact.engine.train import Fixed
from didact.nets.blocks import Block, BlockNet, Head
from didact.nets.folded import folded
from didact.nets.layers import conv_norm
from didact.nets.zoo import names
from didact.teaching.route import Along, Route
from didact.tensors import Outputs
from support.training import network


def settled(name: str) -> BlockNet:
    """A frozen network whose norms all have statistics, scales and shifts of their own."""
    net = network(name, 5, 3)
    for norm in norms(net):
        for values, low, high in ((norm.running_mean, -1, 1), (norm.running_var, 0.5, 2), (norm.weight, 0.5, 1.5)):
            assert values is not None
            nn.init.uniform_(values, low, high)
        nn.init.uniform_(norm.bias, -1, 1)
    return net.eval().requires_grad_(False)


def norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    return [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]


def shown(seen: Outputs) -> list[Tensor]:
    assert seen.logits is not None and seen.pooled is not None and seen.stem is not None
    return [seen.logits, seen.pooled, seen.stem, *seen.features, *seen.preacts]


def wrapped(*body: nn.Module, block: Callable[..., Block] = Block) -> BlockNet:
    """A network with one block of 2 channels; all norms have statistics of their own."""
    net = BlockNet(nn.Identity(), [("1", block(nn.Sequential(*body)))], Head(2, 3))
    for norm in norms(net):
        if norm.running_mean is not None:
            nn.init.uniform_(norm.running_mean, -1, 1)
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("name", names())
def test_every_network_shows_the_same(name: str) -> None:
    net = settled(name)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    twin = folded(net)
    # half of WRN's norms, and the head's, come before an activation and a convolution
    assert len(norms(twin)) == (len(norms(net)) // 2 + 1 if name.startswith("wrn") else 0)
    assert not twin.training and not any(p.requires_grad for p in twin.parameters())
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())

    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    twin = folded(net.double())
    for one, other in zip(shown(net.outputs(images)), shown(twin.outputs(images)), strict=True):
        assert (one - other).abs().max() <= 1e-12 * one.abs().max()


def test_memory_format_dtype_and_what_does_not_change() -> None:
    net = settled("wrn_16_1").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    twin = folded(net)
    weights = [part.weight for part in twin.modules() if isinstance(part, nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) and w.dtype == torch.float32 for w in weights)
    assert twin.stem is net.stem and twin.head is net.head and twin.blocks is not net.blocks


def test_a_norm_without_scale_and_a_convolution_with_bias() -> None:
    conv = nn.Conv2d(2, 2, 3, stride=2, padding=1, padding_mode="reflect")
    net = wrapped(conv, nn.BatchNorm2d(2, affine=False), nn.ReLU()).double()
    twin, images = folded(net), torch.randn(4, 2, 8, 8, dtype=torch.float64)
    assert not norms(twin)
    torch.testing.assert_close(twin(images), net(images), rtol=1e-12, atol=1e-12)


def test_a_layer_that_comes_twice_is_folded_where_a_norm_follows_it() -> None:
    conv, norm, act = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()
    net = wrapped(conv, norm, act, conv, act, norm).double()
    twin, images = folded(net), torch.randn(4, 2, 8, 8, dtype=torch.float64)
    assert len(norms(twin)) == 1  # the last follows an activation
    torch.testing.assert_close(twin(images), net(images), rtol=1e-12, atol=1e-12)


class Listens(nn.Sequential):
    """A row that gives what its convolution gave, not the norm behind it."""

    def forward(self, input: Tensor) -> Tensor:
        return self[0](input)


class OwnBlock(Block):
    """A block of one's own."""


def _listening() -> nn.Module:
    conv = nn.Conv2d(2, 2, 1)
    conv.register_forward_hook(lambda module, given, gives: 2 * gives)
    return conv


@pytest.mark.parametrize(
    "net",
    [
        wrapped(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)),
        wrapped(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)),
        wrapped(nn.ConvTranspose2d(2, 2, 1), nn.BatchNorm2d(2)),
        wrapped(_listening(), nn.BatchNorm2d(2)),
        wrapped(nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 1)), nn.BatchNorm2d(2)),
        wrapped(Listens(*conv_norm(2, 2))),
        wrapped(*conv_norm(2, 2), block=OwnBlock),
    ],
    ids=["act between", "batch's statistics", "transposed", "hook", "parametrised", "own row", "own block"],
)
def test_what_is_not_certain_stays(net: BlockNet) -> None:
    assert folded(net) is net


def test_a_norm_in_training_mode_stays() -> None:
    net = wrapped(*conv_norm(2, 2))
    norms(net)[0].train()
    assert folded(net) is net


def test_teachers_are_shown_folded() -> None:
    """Whom a step asks, along a route too, has no norm left; the network that methods are given has all of its own."""
    net = settled("resnet8")
    assert not norms(Fixed(net).at(0)) and not norms(Along(Route(anchors=2), (1, 2), 2, lambda epoch: net).at(1))
    assert len(norms(net)) == 9
