"""Running, looking, slicing and joining, for every network of the zoo."""

import copy
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets.blocks import Block, BlockNet, Head, join, macs, parameters
from didact.nets.shufflenet import Shuffle
from didact.nets.zoo import create, entry, names
from didact.tensors import PARTS, Outputs
from support.training import network

FAMILIES = ["resnet8", "wrn_16_1", "vgg8", "shufflenet_v1", "shufflenet_v2", "mobilenet_v2"]


def images(size: int = 16, batch: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(0))


def made(name: str, classes: int = 5, channels: int = 3) -> BlockNet:
    return network(name, classes, channels)


def settled(name: str) -> BlockNet:
    """A network in eval mode whose running statistics are no longer the initial ones."""
    net = made(name)
    with torch.no_grad():
        net(images(batch=4))
    return net.eval()


def logits_of(seen: Outputs) -> Tensor:
    assert seen.logits is not None
    return seen.logits


@pytest.mark.parametrize("name", names())
@torch.no_grad()
def test_parts_of_a_run_are_the_run(name: str) -> None:
    net, x = settled(name), images()
    whole = net(x)
    seen = net.outputs(x)
    assert torch.equal(logits_of(seen), whole)
    assert len(seen.features) == len(seen.preacts) == len(net)
    for i in range(1, len(net) + 1):
        half = net.run(x, 0, i)
        assert torch.equal(half, seen.features[i - 1])
        assert torch.equal(net.run(half, i), whole)
        assert torch.equal(net.slice(0, i)(x), half)
        assert torch.equal(net.slice(i)(half), whole)


@pytest.mark.parametrize("name", names())
@torch.no_grad()
def test_values_before_activation_give_the_features(name: str) -> None:
    net = settled(name)
    seen = net.outputs(images())
    if entry(name).family == "wide_resnet":
        norms = [*[block.enter for block in net][1:], cast("Head", net.head).enter]
        for norm, feature, pre in zip(norms, seen.features, seen.preacts, strict=True):
            assert torch.equal(cast("nn.Module", norm)(feature), pre)
        assert min(f.min() for f in seen.features) < 0
        return
    for block, feature, pre in zip(net, seen.features, seen.preacts, strict=True):
        assert torch.equal(cast("Block", block).act(pre), feature)
        assert (pre is feature) == (entry(name).family == "mobilenet")
        if name.startswith("shufflenet_v2"):
            assert torch.equal(Shuffle(2)(F.relu(pre)), feature)
        elif entry(name).family != "mobilenet":
            assert torch.equal(F.relu(pre), feature)


@pytest.mark.parametrize("name", names())
def test_one_training_pass(name: str) -> None:
    net = made(name)
    seen = net.outputs(images(batch=4))
    F.cross_entropy(logits_of(seen), torch.tensor([0, 1, 2, 3])).backward()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(int(cast("Tensor", norm.num_batches_tracked)) == 1 for norm in norms)
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        # A bias that batch norm follows has no effect, so its gradient is zero but for rounding.
        assert parameter.grad.abs().sum() > 0 or key.endswith(".bias"), key


def test_shuffle_by_hand() -> None:
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert Shuffle(2)(x).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert Shuffle(3)(x).flatten().tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("channels", "sizes"), [(1, (8, 33)), (3, (15, 64))])
@torch.no_grad()
def test_any_resolution(name: str, channels: int, sizes: tuple[int, ...]) -> None:
    net = made(name, channels=channels).eval()
    for size in sizes:
        seen = net.outputs(images(size, 1, channels))
        told = net.shapes((channels, size, size))
        assert logits_of(seen).shape == (1, told.classes) == (1, 5)
        assert tuple(tuple(f.shape[1:]) for f in seen.features) == told.features
        assert seen.stem is not None and tuple(seen.stem.shape[1:]) == told.stem
        assert seen.pooled is not None and tuple(seen.pooled.shape[1:]) == told.pooled
    assert net(images(24, 1, channels)[..., :17]).shape == (1, 5)


@torch.no_grad()
def test_large_images() -> None:
    assert made("mobilenet_v2").eval()(images(224, 1)).shape == (1, 5)
    assert made("resnet50").shapes((3, 224, 224)).features[-1] == (2048, 28, 28)


def test_images_that_do_not_survive_the_strides() -> None:
    net = made("vgg8")
    for size in (1, 4, 7):
        with pytest.raises(ValueError, match=f"images of {size}x{size} do not survive.*smallest that do are 8x8"):
            net.shapes((3, size, size))
    assert net.shapes((3, 8, 8)).features[-1] == (512, 1, 1)
    with pytest.raises(ValueError, match=r"cannot take images of shape \(1, 32, 32\)"):
        net.shapes((1, 32, 32))


def test_a_norm_of_other_channels_is_found() -> None:
    net = BlockNet(nn.Identity(), [("1", Block(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(5))))], Head(4, 5))
    with pytest.raises(ValueError, match=r"cannot take images of shape \(3, 8, 8\)"):
        net.shapes((3, 8, 8))


def test_looking_keeps_only_what_is_asked() -> None:
    seen = made("resnet8").outputs(images(), frozenset({"logits", "features"}))
    assert seen.logits is not None and len(seen.features) == 3
    assert seen.pooled is None and seen.stem is None and seen.preacts == ()


def test_a_slice_shares_weights_and_shows_its_part() -> None:
    net = settled("resnet8")
    start, rest = net.slice(0, 2), net.slice(2)
    own = {id(p) for p in net.parameters()}
    assert {id(p) for p in start.parameters()} | {id(p) for p in rest.parameters()} == own
    assert set(start.state_dict()) | set(rest.state_dict()) == set(net.state_dict())
    seen = start.outputs(images())
    assert seen.logits is None and seen.pooled is None and len(seen.features) == 2
    assert len(rest) == 1 and rest.stem is None and start.head is None


def test_a_wide_slice_cannot_show_its_last_value_before_activation() -> None:
    part = settled("wrn_16_1").slice(0, 2)
    with pytest.raises(ValueError, match="ends before the norm"):
        part.outputs(images())
    assert len(part.outputs(images(), PARTS - {"preacts"}).features) == 2


@torch.no_grad()
def test_joined_slices_are_the_network() -> None:
    for name in ("wrn_16_2", "shufflenet_v2"):
        net, x = settled(name), images()
        whole = join(net.slice(0, 1), net.slice(1, 2), net.slice(2))
        assert torch.equal(whole(x), net(x))
        assert torch.equal(whole.outputs(x).preacts[0], net.outputs(x).preacts[0])


def test_a_join_refuses_a_head_in_the_middle() -> None:
    net = made("resnet8")
    with pytest.raises(ValueError, match="part 1 of 2 brings a stem or a head"):
        join(net, net.slice(1))
    with pytest.raises(ValueError, match="part 2 of 2 brings a stem or a head"):
        join(net.slice(0, 1), net)


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (4, None), (2, 1), (0, 4)])
def test_bounds_are_checked(start: int, stop: int | None) -> None:
    with pytest.raises(ValueError, match="of a network that has 3"):
        made("resnet8").slice(start, stop)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_networks_are_ordinary_modules(name: str) -> None:
    net, other, x = settled(name), create(name, 5).eval(), images()
    assert not torch.equal(other(x), net(x))
    other.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(other(x), net(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    assert len(net.state_dict()) == len({id(t) for t in net.state_dict(keep_vars=True).values()})


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_networks_export(name: str) -> None:
    net, x = settled(name), images()
    program = torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    assert torch.allclose(program.module()(images(batch=3)), net(images(batch=3)), atol=1e-5)


def test_counting_leaves_the_network_as_it_was() -> None:
    net = made("wrn_16_1").train()
    frozen = net.blocks["1"].eval()  # one part in another mode than the whole
    before = {key: value.clone() for key, value in net.state_dict().items()}
    assert macs(net, (3, 16, 16)) > 0 and net.shapes((3, 16, 16)).classes == 5
    assert net.training and net.blocks["2"].training and not any(part.training for part in frozen.modules())
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert parameters(join(net.slice(0, 1), net.slice(1))) == parameters(net)


def test_weights_are_drawn_as_he_does() -> None:
    net = made("resnet20")
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            wanted = (2 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5
            assert module.weight.std().item() == pytest.approx(wanted, rel=0.1)
