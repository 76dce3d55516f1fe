"""Weight sharing: a student run inside the supernet is the student taken out of it, bitwise; what it moves is its corner."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor, nn

from didact.nets.blocks import BlockNet
from didact.nets.supernet import SPACES, Choices, Pool, Space, Supernet, owner, recalibrated, weight_slice
from didact.nets.supernet.shared import skeleton
from didact.spec import SpecError

MIXED = Pool(
    members=(
        "basic-8-1x8-2x16",
        "resnet8",
        "inverted-8-1x8e1-1x16",
        "basic-4-2x6k5e0.5-1x20",
        "shufflenet_v1",
        "basic-4-1x6-1x8-h4",
    )
)
EQUAL = Space(kind="basic", stem=(4, 6), stages=tuple(Choices(depth=(1,), width=(4, 6), stride=1) for _ in range(3)))
"""Its stages are alike, so that a student's may be equal."""
POOLS = {**SPACES, "mixed": MIXED, "equal": EQUAL}
SMALL = Pool(members=("basic-6-2x8k5-2x8", "basic-4-1x5-1x8e0.5", "basic-6-2x8k5-1x7"))


def settled(pool: Space | Pool, seed: int = 0) -> Supernet:
    """A supernet in eval mode, with running statistics and norms as after some training."""
    torch.manual_seed(seed)
    net = Supernet(pool, 5)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean = torch.randn_like(m.running_mean) / 9  # type: ignore[arg-type]
            m.running_var = torch.rand_like(m.running_var) + 0.5  # type: ignore[arg-type]
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.normal_(m.bias, std=0.1)
    return net.eval()


@functools.cache
def supernet(pool: str) -> Supernet:
    return settled(POOLS[pool])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("pool", POOLS)
def test_run_equals_extract_bitwise(pool: str, layout: torch.memory_format, precision: str) -> None:
    net = supernet(pool).to(memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(2, 3, 12, 12).contiguous(memory_format=layout)
    students = {net.pool.smallest, net.pool.largest, *net.pool.draw(6 if pool in ("mixed", "equal") else 2, 7)}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        for name in students:
            assert torch.equal(net.run(name, x), net.extract(name)(x)), name


def test_the_largest_is_the_supernet_itself() -> None:
    for pool in ("tiny", "equal"):
        net = supernet(pool)
        x = torch.randn(2, 3, 8, 8)
        assert torch.equal(net.run(net.pool.largest, x), net.nets[0](x))
        later = net.nets[0].run(x, 0, 2)  # type: ignore[operator]
        assert torch.equal(net.run(net.pool.largest, later, 2), net.run(net.pool.largest, x))


def test_a_supernet_of_another_precision() -> None:
    net = settled(SMALL).double()
    x = torch.randn(2, 3, 8, 8).double()
    for name in SMALL.members:
        assert torch.equal(net.run(name, x), net.extract(name)(x))


# ------------------------------------------------------------------------------------------------ corners


def test_a_corner_by_hand() -> None:
    t = torch.arange(3 * 2 * 5 * 5).reshape(3, 2, 5, 5)
    assert torch.equal(weight_slice(t, torch.Size([2, 1, 3, 3])), t[:2, :1, 1:4, 1:4])
    assert torch.equal(weight_slice(t, torch.Size([3, 2, 1, 5])), t[:, :, 2:3])
    assert weight_slice(t, torch.Size([1, 1, 1, 1])).item() == 12  # the middle of the first kernel
    assert weight_slice(t, t.shape) is t
    weight_slice(t, torch.Size([2, 1, 1, 1]))[1] = -1  # a view
    assert t[1, 0, 2, 2] == -1 and (t < 0).sum() == 1
    assert torch.equal(weight_slice(torch.arange(4), torch.Size([3])), torch.tensor([0, 1, 2]))
    assert weight_slice(torch.tensor(7), torch.Size([])).item() == 7


def marks(net: Supernet, name: str) -> dict[str, Tensor]:
    """By name of the owner's tensors, where the student's corners are."""
    student = net.skeleton(name)
    own = net.nets[owner(net.pool, name)].state_dict()
    found = {key: torch.zeros_like(value, dtype=torch.bool) for key, value in own.items()}
    for key, value in student.state_dict().items():
        weight_slice(found[key], value.shape).fill_(True)
    return found


@pytest.mark.parametrize("name", SMALL.members)
def test_gradients_and_statistics_go_to_the_corner_alone(name: str) -> None:
    net = settled(SMALL).train()
    alone = net.extract(name)
    assert alone.training
    before = {key: value.clone() for key, value in net.nets[0].state_dict().items()}
    x = torch.randn(4, 3, 8, 8)
    for each in (functools.partial(net.run, name), alone):
        each(x).square().sum().backward()
    where = marks(net, name)
    gradients = dict(net.nets[0].named_parameters())
    for key, p in alone.named_parameters():
        whole = gradients[key].grad
        assert whole is not None and p.grad is not None
        torch.testing.assert_close(weight_slice(whole, p.shape), p.grad, rtol=1e-4, atol=1e-5)
        assert not whole[~where[key]].any()
    untouched = gradients.keys() - dict(alone.named_parameters()).keys()
    assert all(gradients[key].grad is None for key in untouched)
    after = net.nets[0].state_dict()
    own = alone.state_dict()
    for key, value in after.items():
        assert torch.equal(value[~where[key]], before[key][~where[key]])
        if key in own:
            assert torch.equal(weight_slice(value, own[key].shape), own[key])  # moved as alone
            assert ("running" in key or "tracked" in key) == (not torch.equal(value, before[key]))


def test_what_is_taken_out_is_a_copy() -> None:
    net = settled(SMALL)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    places = {value.data_ptr() for value in net.state_dict().values()}
    for name in SMALL.members:
        taken = net.extract(name)
        assert isinstance(taken, BlockNet) and not taken.training
        assert all(p.requires_grad for p in taken.parameters())
        for value in taken.state_dict().values():
            assert value.data_ptr() not in places
            value.zero_()
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


# ------------------------------------------------------------------------------------------------ students share layers


def test_nothing_leaks_between_students_modes_and_supernets() -> None:
    """The layers that say what a student computes are cached; they hold neither weights nor a mode of their own."""
    first, second = settled(SMALL, 1), settled(SMALL, 2).train()
    wide = Supernet(SMALL, 9, 1).eval()
    x, plain = torch.randn(4, 3, 8, 8), torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        for name in SMALL.members * 2:
            expected = [net.extract(name)(x) for net in (first, second)]
            assert torch.equal(first.run(name, x), expected[0])
            assert torch.equal(second.run(name, x), expected[1])  # train mode: its statistics move, its output does not
            assert torch.equal(first.run(name, x), expected[0])
            assert torch.equal(wide.run(name, plain), wide.extract(name)(plain))
            assert first.skeleton(name).stem is second.skeleton(name).stem
            assert all(t.is_meta for t in first.skeleton(name).state_dict().values())
    assert not first.training and second.training


def test_equal_stages_have_weights_of_their_own() -> None:
    student = "basic-4-1x4-1x4s1-1x4s1"
    blocks = list(skeleton(student, 5, 3))
    assert len(set(map(id, blocks))) == 3
    net = settled(EQUAL).train()
    net.run(student, torch.randn(4, 3, 8, 8)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.nets[0].blocks.parameters())  # type: ignore[union-attr]


def test_who_is_cut_from_what() -> None:
    net = supernet("mixed")
    assert [owner(MIXED, name) for name in MIXED.members] == [0, 3, 1, 0, 4, 2]
    for name in ("resnet14", "basic-8-1x8-2x17"):
        for ask in (net.extract, functools.partial(net.run, x=torch.zeros(2, 3, 8, 8))):
            with pytest.raises(SpecError, match="not in this pool"):
                ask(name)
    with pytest.raises(SpecError, match=r"the nearest student is basic-8-1x8e0\.5-1x16e0\.5-1x48$"):
        supernet("tiny").extract("basic-4-1x8e0.1-1x12e0.2-1x45")


def test_a_supernet_of_later_blocks() -> None:
    whole, part = settled(SMALL), Supernet(SMALL, 5, starts=[1]).eval()
    part.nets[0].load_state_dict(whole.nets[0].state_dict(), strict=False)
    assert sorted({key.split(".")[0] for key in part.nets[0].state_dict()}) == ["blocks", "head"]
    for name in SMALL.members:
        feature = torch.randn(2, whole.skeleton(name).shapes((3, 8, 8)).features[0][0], 8, 8)
        assert torch.equal(part.run(name, feature, 1), whole.run(name, feature, 1))
        with pytest.raises(ValueError, match=rf"{name} cannot be extracted: .*GTN: after=\[0, ...\]"):
            part.extract(name)


def test_recalibrated_statistics_are_those_of_a_plain_pass() -> None:
    net = settled(SMALL).extract(SMALL.members[1])
    batches = [torch.randn(size, 3, 8, 8) for size in (4, 6, 4)]
    seen: dict[nn.Module, list[Tensor]] = {m: [] for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    hooks = [m.register_forward_pre_hook(lambda module, args: seen[module].append(args[0].double())) for m in seen]
    weights = {key: p.clone() for key, p in net.named_parameters()}
    assert recalibrated(net, iter(batches)) is net
    for hook in hooks:
        hook.remove()
    for norm, inputs in seen.items():
        assert isinstance(norm, nn.BatchNorm2d) and norm.momentum == 0.1 and norm.num_batches_tracked == 3
        rows = [x.transpose(0, 1).flatten(1) for x in inputs]
        torch.testing.assert_close(norm.running_mean, torch.stack([r.mean(1) for r in rows]).mean(0).float())
        torch.testing.assert_close(norm.running_var, torch.stack([r.var(1) for r in rows]).mean(0).float())
    assert all(torch.equal(p, weights[key]) for key, p in net.named_parameters())
    assert not net.training
