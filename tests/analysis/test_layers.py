"""Layers of networks, and CKA between any two of them, against the same layers taken whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from didact import nets
from didact.analysis import cka, layers
from didact.nets.blocks import BlockNet
from didact.seeds import seeded


def net(name: str, seed: int) -> BlockNet:
    with seeded(seed, "net"):
        made = nets.create(name, 5, 1)
    for part in made.modules():  # statistics that are not those of a batch, so that train mode would show
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
    return made


@pytest.fixture
def two() -> tuple[BlockNet, BlockNet]:
    return net("resnet8", 1), net("wrn_16_1", 2)


def test_layers_are_named_and_flattened(two: tuple[BlockNet, BlockNet]) -> None:
    own, images = two[0].eval(), torch.randn(3, 1, 16, 16)
    found = layers.layers(own, images)
    assert list(found) == ["stem", "block 1", "block 2", "block 3", "pooled", "logits"]
    seen = own.outputs(images)
    assert seen.stem is not None and seen.logits is not None
    assert torch.equal(found["stem"], seen.stem.flatten(1))
    assert torch.equal(found["block 2"], seen.features[1].flatten(1))
    assert torch.equal(found["logits"], seen.logits)
    assert not found["logits"].requires_grad
    pooled = layers.layers(own, images, pool=True)
    assert torch.equal(pooled["block 2"], seen.features[1].mean((2, 3)))
    assert torch.equal(pooled["pooled"], found["pooled"])
    assert list(layers.layers(own.slice(1, 2), seen.features[0])) == ["block 2"]


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("kind", "pool"), [("linear", False), ("linear", True), ("rbf", True)])
def test_compare_is_the_cka_of_whole_layers(
    two: tuple[BlockNet, BlockNet], kind: cka.Kind, pool: bool, unbiased: bool
) -> None:
    images = torch.randn(30, 1, 16, 16)
    found = layers.compare(*two, list(images.split(13)), kind, unbiased, pool=pool)
    a, b = (layers.layers(one.eval(), images, pool) for one in two)
    assert (found.rows, found.columns, found.images) == (tuple(a), tuple(b), 30)
    one = {"linear": cka.unbiased if unbiased else cka.linear, "rbf": lambda x, y: cka.rbf(x, y, unbiased=unbiased)}[kind]
    expected = [[one(x, y) for y in b.values()] for x in a.values()]
    np.testing.assert_allclose(found.values.numpy(), expected, rtol=1e-4)


def test_a_network_beside_itself_is_alike_layer_by_layer(two: tuple[BlockNet, BlockNet]) -> None:
    found = layers.compare(two[0], two[0], [torch.randn(12, 1, 16, 16)])
    np.testing.assert_allclose(found.values.diagonal().numpy(), 1, atol=1e-12)
    np.testing.assert_allclose(found.values.numpy(), found.values.T.numpy(), atol=1e-12)


def test_networks_are_looked_at_in_eval_mode_and_left_as_they_were(two: tuple[BlockNet, BlockNet]) -> None:
    before = {name: value.clone() for name, value in two[0].state_dict().items()}
    two[0].train()
    two[0].blocks["1"].eval()
    layers.compare(*two, [torch.randn(6, 1, 16, 16)])
    assert two[0].training and not two[0].blocks["1"].training
    assert all(torch.equal(value, before[name]) for name, value in two[0].state_dict().items())


def test_plain_data_and_back(two: tuple[BlockNet, BlockNet]) -> None:
    dead = two[1]
    assert dead.head is not None
    torch.nn.init.zeros_(dead.head.classifier.weight)  # type: ignore[union-attr, arg-type]
    found = layers.compare(two[0], dead, [torch.randn(6, 1, 16, 16)], unbiased=True)
    assert found.title == "debiased linear CKA, 6 images"
    assert found.values[:, -1].isnan().all() and not found.values[:, :-1].isnan().any()
    plain = found.plain()
    assert plain["values"][0][-1] is None
    again = layers.Compared.read(plain)
    assert torch.equal(again.values.nan_to_num(9), found.values.nan_to_num(9)) and again.rows == found.rows


def test_misuse(two: tuple[BlockNet, BlockNet]) -> None:
    def once() -> Iterator[torch.Tensor]:
        yield torch.randn(6, 1, 16, 16)

    with pytest.raises(ValueError, match="found an iterator; pass a list"):
        layers.compare(*two, once())
    with pytest.raises(ValueError, match="no images"):
        layers.compare(*two, [])
    with pytest.raises(ValueError, match="at least 4 samples, found 3"):
        layers.compare(*two, [torch.randn(3, 1, 16, 16)], unbiased=True)
