"""Pools that are lists of networks, and pools by name."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from didact.nets.architecture import parse
from didact.nets.blocks import parameters
from didact.nets.supernet import SPACES, Choices, Pool, Space, as_pool
from didact.nets.supernet.pool import size_of, union
from didact.nets.zoo import create
from didact.spec import SpecError, digest, from_json, to_json

MEMBERS = (
    "basic-8-1x8-2x16",
    "ResNet-8",
    "inverted-8-1x8e1-1x16",
    "basic-4-2x6k5e0.5-1x20",
    "shufflenet_v1",
    "basic-4-1x6-1x8-h4",
)
MIXED = Pool(members=MEMBERS)


def test_a_pool_is_its_members() -> None:
    assert MIXED.members == (MEMBERS[0], "resnet8", *MEMBERS[2:])
    assert (MIXED.size, MIXED.label) == (6, "6 networks")
    assert Pool(members=("vgg8", "resnet8")).label == "vgg8 resnet8"
    (decision,) = MIXED.decisions
    assert (decision.name, decision.options, decision.first) == ("network", MIXED.members, -1)
    for i, name in enumerate(MIXED.members):
        assert MIXED.name((i,)) == name
        assert MIXED.choice_indices(name.upper()) == (i,)
        assert MIXED.canonical_name(name.upper()) == name
    assert sorted(MIXED.draw(6, 0)) == sorted(MIXED.members)
    assert MIXED.draw(3, 5) == MIXED.draw(6, 5)[:3]
    with pytest.raises(SpecError, match="7 different students requested from a pool of 6"):
        MIXED.draw(7, 0)


def test_sizes() -> None:
    for name in MIXED.members:
        with torch.device("meta"):
            assert size_of(name, 7, 1) == parameters(create(name, 7, 1))
    sizes = {name: size_of(name) for name in MIXED.members}
    assert (sizes[MIXED.smallest], sizes[MIXED.largest]) == (min(sizes.values()), max(sizes.values()))
    assert MIXED.largest == "shufflenet_v1"


def test_one_network_for_each_kind_and_the_zoos_own() -> None:
    whole, bottleneck, headed, *zoo = MIXED.networks
    assert whole == "basic-8-2x8k5-2x20"
    assert (bottleneck, headed, zoo) == (MEMBERS[2], MEMBERS[5], ["resnet8", "shufflenet_v1"])
    a, b = parse(MEMBERS[0]), parse(MEMBERS[3])
    assert union(a, b) == union(b, a) == parse(whole)
    assert union(a, a) == a
    tensors = create(whole, 5).state_dict()
    for name in (MEMBERS[0], MEMBERS[3]):
        for key, value in create(name, 5).state_dict().items():
            assert all(n <= w for n, w in zip(value.shape, tensors[key].shape, strict=True))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet14", r"'resnet14' is not in this pool; did you mean 'resnet8'"),
        ("basic-8-1x8-2x18", rf"is not in this pool; did you mean '{MEMBERS[0]}'"),
        ("resnt8", "unknown network 'resnt8'; did you mean 'resnet8'"),
    ],
)
def test_who_is_not_in_the_pool(name: str, said: str) -> None:
    for ask in (MIXED.choice_indices, MIXED.canonical_name):
        with pytest.raises(SpecError, match=said):
            ask(name)


# ------------------------------------------------------------------------------------------------ by name


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    own = types.ModuleType("pools_of_my_own")
    vars(own).update(
        SPACE=Space(kind="basic", stages=(Choices(depth=(1,), width=(4, 8)),)),
        POOL=Pool(members=("resnet8",)),
        small=lambda classes, channels: create("resnet8", classes, channels),
        NUMBER=3,
    )
    monkeypatch.setitem(sys.modules, own.__name__, own)
    monkeypatch.setitem(sys.modules, "nothing_of_the_kind", types.ModuleType("nothing_of_the_kind"))
    return own


def test_pools_in_every_form(module: types.ModuleType) -> None:
    for name, space in SPACES.items():
        assert as_pool(name) == as_pool([name]) == as_pool(name.upper()) == as_pool(space) == space
    one, two = Pool(members=("resnet8",)), Pool(members=("resnet8", "basic-8-1x8"))
    assert as_pool("ResNet-8") == as_pool({"members": ["resnet8"]}) == as_pool(one) == one
    assert (
        as_pool("resnet8, basic-8-1x8s1")
        == as_pool(["resnet8", "BASIC-8-1x8"])
        == as_pool(("resnet8", two.members[1]))
        == two
    )
    assert as_pool("pools_of_my_own:SPACE") == module.SPACE
    assert as_pool("pools_of_my_own:POOL") == one
    assert as_pool("pools_of_my_own:small") == Pool(members=("pools_of_my_own:small",))
    assert as_pool("pools_of_my_own:small,resnet8").networks == ("pools_of_my_own:small", "resnet8")
    assert size_of("pools_of_my_own:small") == size_of("resnet8")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tinny", r"'tinny' is neither a pool nor a network; did you mean 'tiny'\? \(pools: tiny, small, large, mobile\)"),
        ("resnet9", "'resnet9' is neither a pool nor a network; did you mean 'resnet8'"),
        ("resnet8,resnt20", "'resnt20' is neither a pool nor a network; did you mean 'resnet20'"),
        ("basic-8-1x8k2,resnet8", "'basic-8-1x8k2' is neither .*a kernel is odd, found 2; write k1 or k3"),
        ("tiny,resnet8", r"'tiny' is a pool, which stands alone; a list holds networks only, found \['tiny', 'resnet8'\]"),
        ("", "'' is neither a pool nor a network; known: .*tiny"),
        ("resnet8,", "'' is neither a pool nor a network"),
        ([], "members: an empty pool; name one network at least"),
        (("resnet8", "ResNet-8"), r"members: the same network twice in \['resnet8', 'resnet8'\]"),
        ("basic-8-1x8,basic-8-1x8s1", "members: the same network twice"),
        ({"members": ["resnet8"], "more": 1}, "more: no such setting; known: members"),
        ({"kind": "basic"}, "stages: is missing; it has no default"),
        (5, r"expected a pool \(tiny, small, large, mobile, module:NAME\), or networks as a list, found 5"),
        (None, "expected a pool .*found null"),
        ([1, 2], r"expected a pool .*found \[1, 2\]"),
        ("no_such_module:POOL", "cannot import 'no_such_module' for the pool 'no_such_module:POOL'"),
        (":POOL", "cannot import '' for the pool ':POOL'"),
        ("pools_of_my_own:SPAC", "'pools_of_my_own' holds no pool 'SPAC'; did you mean 'SPACE'"),
        ("pools_of_my_own:NUMBER", "'pools_of_my_own' holds no pool 'NUMBER'"),
        ("nothing_of_the_kind:POOL", "holds no pool 'POOL'; a pool is a Space or a Pool of didact.nets.supernet"),
    ],
)
def test_what_is_no_pool(module: types.ModuleType, given: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        as_pool(given)


@pytest.mark.parametrize("value", [MIXED, SPACES["tiny"]], ids=["list", "space"])
def test_a_pool_survives_json(value: Pool | Space) -> None:
    plain = to_json(value)
    assert isinstance(plain, Mapping)
    assert as_pool(plain) == value == from_json(type(value), plain)
    assert digest(as_pool(plain)) == digest(value)
    with torch.device("meta"):
        assert as_pool(plain).networks == value.networks
