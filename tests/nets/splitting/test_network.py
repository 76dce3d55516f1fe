"""Networks of many kinds, written as people write them, split into blocks."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets import join
from didact.nets.splitting import cuts, load_own, own_names, own_state, split, with_classes
from support import plain
from support.refused import REFUSED

IMAGE = (3, 32, 32)


def images(batch: int = 2) -> Tensor:
    return torch.randn(batch, *IMAGE, generator=torch.Generator().manual_seed(0))


def settled(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    net = make()
    with torch.no_grad():
        net(images(4))
    return net.eval()


@pytest.mark.parametrize("make", plain.NETS.values(), ids=plain.NETS)
@torch.no_grad()
def test_parts_of_a_run_are_the_network(make: Callable[[], nn.Module]) -> None:
    model, x = settled(make), images()
    net = split(model, IMAGE, blocks=3)
    logits, shown = model(x), net.outputs(x)
    shapes = net.shapes(IMAGE)
    assert 2 <= len(net) <= 3 and shown.logits is not None and shown.pooled is not None and shown.stem is not None
    assert torch.equal(net(x), logits) and torch.equal(shown.logits, logits)
    assert shapes.classes == plain.CLASSES and tuple(shown.pooled.shape[1:]) == shapes.pooled
    assert [tuple(f.shape[1:]) for f in shown.features] == list(shapes.features)
    assert all(len(shape) == 3 for shape in (shapes.stem, *shapes.features))
    for i, (block, feature, pre) in enumerate(zip(net, shown.features, shown.preacts, strict=True), 1):
        half = net.run(x, 0, i)
        assert torch.equal(net.run(half, i), logits)
        assert torch.equal(net.slice(i)(half), logits) and torch.equal(join(net.slice(0, i), net.slice(i))(x), logits)
        assert torch.equal(block.feature(half), feature)  # type: ignore[operator]
        assert torch.equal(block.act(pre), feature)  # type: ignore[operator]
        assert net.slice(i)(feature).shape == logits.shape  # a map of another network can go on here


@pytest.mark.parametrize("make", plain.NETS.values(), ids=plain.NETS)
def test_a_training_step_is_the_networks(make: Callable[[], nn.Module]) -> None:
    model = settled(make)
    other = copy.deepcopy(model)
    net = split(model, IMAGE, blocks=3, checked=False)  # this test is the check
    assert not model.training and not any(part.training for part in model.modules())
    trained = []
    for network in (net, other):
        torch.manual_seed(1)
        network.train()
        F.cross_entropy(network(images(4)), torch.arange(4)).backward()
        trained.append(torch.rand(1))
    assert torch.equal(*trained)
    grads = dict(other.named_parameters())
    for name, parameter in model.named_parameters():  # the split network's own
        assert (parameter.grad is None) == (grads[name].grad is None), name
        assert parameter.grad is None or torch.equal(parameter.grad, grads[name].grad), name  # type: ignore[arg-type]
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("make", [plain.residual, plain.two_heads, plain.shared, plain.functional])
def test_state_dicts_go_both_ways(make: Callable[[], nn.Module]) -> None:
    model = settled(make)
    net = split(model, IMAGE, checked=False)
    assert own_state(net).keys() == model.state_dict().keys()
    assert all(torch.equal(value, own_state(net)[name]) for name, value in model.state_dict().items())
    assert {id(p) for p in net.parameters()} == {id(p) for p in model.parameters()}
    fresh = make()
    load_own(split(fresh, IMAGE, checked=False), model.state_dict())
    assert torch.equal(fresh.eval()(images()), model(images()))
    twin = copy.deepcopy(net)
    assert twin.state_dict().keys() == net.state_dict().keys()
    assert torch.equal(twin(images()), model(images()))
    part = net.slice(1)
    assert set(own_names(part).values()) <= model.state_dict().keys()


def test_a_state_dict_that_does_not_fit_is_refused() -> None:
    net = split(plain.residual(), IMAGE, checked=False)
    state = own_state(net)
    with pytest.raises(ValueError, match=r"does not fit the network that was split: conv.weight \(of 1\)"):
        load_own(net, {name: value for name, value in state.items() if name != "conv.weight"})


def test_places_and_cuts_by_name() -> None:
    model = plain.residual()
    places = {place.name: place for place in cuts(model, IMAGE)}
    assert places["layer1"].feature == (8, 32, 32) and places["layer1"].activated
    assert places["layer2"].feature == (16, 16, 16) and places["layer2"].kind == "map"
    net = split(model, IMAGE, cuts=["layer1", "layer3"], checked=False)
    assert net.shapes(IMAGE).features == ((8, 32, 32), (24, 8, 8)) and net.shapes(IMAGE).stem == (8, 32, 32)
    assert any(name.startswith("blocks.2.body.layer2.") for name in net.state_dict())
    with pytest.raises(ValueError, match=r"cannot be cut after 'layer9': it is not called; it can be cut after .*layer1"):
        split(model, IMAGE, cuts=["layer9"])
    with pytest.raises(ValueError, match="more than one value goes on after it"):
        split(model, IMAGE, cuts=["layer1.0.conv1"])
    with pytest.raises(ValueError, match="'layer1' does not come after"):
        split(model, IMAGE, cuts=["layer2", "layer1"])


def test_blocks_end_where_resolutions_end() -> None:
    assert split(plain.residual(), IMAGE, 3, checked=False).shapes(IMAGE).features == ((8, 32, 32), (16, 16, 16), (24, 8, 8))
    assert split(plain.residual(), IMAGE, 2, checked=False).shapes(IMAGE).features == ((16, 16, 16), (24, 8, 8))
    assert len(split(plain.residual(), IMAGE, 5, checked=False)) == 5
    with pytest.raises(ValueError, match="one block at least, not 0"):
        split(plain.residual(), IMAGE, 0)


def test_tokens_are_folded_to_maps() -> None:
    places = {place.name: place for place in cuts(plain.class_token(), IMAGE)}
    assert (places["blocks.1"].kind, places["blocks.1"].extra, places["blocks.1"].feature) == ("tokens", 1, (12, 4, 4))
    net = split(plain.class_token(), IMAGE, 3).eval()
    tokens = net.run(images(), 0, 2)
    assert tokens.shape == (2, 17, 12)
    folded = net.outputs(images()).features[1]
    assert torch.equal(folded.flatten(2), tokens[:, 1:].transpose(1, 2))


def test_more_classes() -> None:
    for make in (plain.vgg, plain.two_heads, plain.last_convolution, plain.class_token):
        model = with_classes(make(), 11, IMAGE)
        assert model(images()).shape == (2, 11)
    with pytest.raises(ValueError, match=r"come from linear, which is no nn.Linear"):
        with_classes(plain.functional(), 11, IMAGE)


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_split_is_refused(make: Callable[[], nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split(make(), IMAGE)


def test_rows_of_windows_are_no_maps() -> None:
    features = [place.feature for place in cuts(plain.Windows(), (3, 32, 32)) if place.kind != "vector"]
    assert {(6, 16, 16), (8, 8, 8)} == set(features)
