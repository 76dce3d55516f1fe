"""Which norm gives a block's value before activation: over the whole zoo, on data, and where there is none."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from didact.nets.adapt import Transform
from didact.nets.blocks import Block, BlockNet, Head, join
from didact.nets.layers import Residual
from didact.nets.norms import last_norm
from didact.nets.zoo import create, entry, names


def before_and_norm(net: BlockNet, block: int) -> tuple[Tensor, Tensor]:
    """The block's value before activation, and what its norm gave in the same pass."""
    given: list[Tensor] = []
    norm = last_norm(net, block)
    assert norm is not None
    hook = norm.register_forward_hook(lambda module, args, output: given.append(output))
    with torch.no_grad():
        seen = net.train().outputs(torch.randn(3, 3, 16, 16))
    hook.remove()
    assert len(given) == 1
    return seen.preacts[block], given[0]


@pytest.mark.parametrize("name", names())
def test_every_network_but_shufflenet_v2_gives_a_norm_of_the_blocks_channels(name: str) -> None:
    with torch.device("meta"):
        net = create(name, 5)
    found = [last_norm(net, block) for block in range(len(net))]
    if name.startswith("shufflenet_v2"):
        assert found == [None] * 3
        return
    widths = [norm.num_features if norm is not None else None for norm in found]
    assert widths == [shape[0] for shape in net.shapes((3, 32, 32)).features]
    assert len(set(found)) == len(net)


@pytest.mark.parametrize("name", [name for name in names() if entry(name).family in ("vgg", "wide_resnet")])
def test_the_norm_gives_the_value_before_activation(name: str) -> None:
    net = create(name, 5)
    for block in range(len(net)):
        before, normal = before_and_norm(net, block)
        assert torch.equal(before, normal)


def test_a_residual_sum_has_its_branchs_norm() -> None:
    net = create("resnet8", 5)  # one unit a stage; those of the later stages have a shortcut with a norm of its own
    for block, part in enumerate(net):
        unit = next(m for m in part.modules() if isinstance(m, Residual))
        beside: list[Tensor] = []
        hook = unit.shortcut.register_forward_hook(lambda module, args, output, beside=beside: beside.append(output))
        before, normal = before_and_norm(net, block)
        hook.remove()
        assert torch.equal(before, normal + beside[0])


def test_a_last_bottleneck_that_is_no_sum() -> None:
    before, normal = before_and_norm(create("mobilenet_v2", 5), 3)
    assert torch.equal(before, normal)


def test_the_next_part_must_be_there() -> None:
    net = create("wrn_16_1", 5)
    half = net.slice(0, 2)
    assert last_norm(half, 0) is last_norm(net, 0) is list(net)[1].enter
    assert last_norm(half, 1) is None
    assert net.head is not None and last_norm(net, 2) is net.head.enter


def test_a_block_that_gives_its_own_value_keeps_its_own_norm() -> None:
    transform = Transform((16, 16, 16), (16, 16, 16))
    branch = join(create("resnet8", 5).slice(0, 1), transform, create("wrn_16_1", 5).slice(1))
    assert last_norm(branch, 1) is transform.body[1]  # type: ignore[index]
    before, normal = before_and_norm(branch, 1)
    assert torch.equal(before, normal)


@pytest.mark.parametrize(
    "body",
    [
        nn.Conv2d(3, 4, 1),
        nn.Sequential(),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout2d(0.5)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4)),
    ],
    ids=["convolution", "nothing", "dropout", "no scale", "group norm"],
)
def test_users_blocks_that_end_in_no_batch_norm(body: nn.Module) -> None:
    net = BlockNet(nn.Identity(), [("1", Block(body, nn.ReLU()))], Head(4, 5))
    assert last_norm(net, 0) is None
