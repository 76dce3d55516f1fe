"""What GTN refuses, and in which words; its settings as plain data."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from didact.method import Method, Pair
from didact.nets.supernet import SPACES, Choices, Pool, Space
from didact.spec import SpecError, choose, digest, to_json
from didact.teaching.gtn import GTN

OWN = Space(kind="basic", stages=(Choices(depth=(1, 2), width=(4, 8)), Choices(depth=(1,), width=(8,))))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, r"^pool: say which students the teacher is for, e.g. pool=tiny or pool=resnet8,vgg8$"),
        ({"alpha": 2.0}, r"^pool: say which students the teacher is for"),
        ({"pol": "tiny"}, "pol: no such setting; did you mean 'pool'"),
        ({"pool": "tinny"}, r"^pool: 'tinny' is neither a pool nor a network; did you mean 'tiny'\? \(pools: tiny, small"),
        ({"pool": 3}, r"^pool: expected a pool \(tiny, small, large, mobile, module:NAME\), or networks as a list, found 3"),
        ({"pool": "resnet8,ResNet-8"}, r"^pool.members: the same network twice"),
        ({"pool": []}, r"^pool.members: an empty pool; name one network at least"),
        ({"pool": {"kind": "basic", "stages": [{"depth": [1], "width": []}]}}, r"^pool.stages.0: width: an empty choice"),
        (
            {"pool": {"kind": "basic", "stages": [{"depth": [1], "width": [8], "kernel": [4]}]}},
            r"^pool.stages.0: kernel: .*odd",
        ),
        ({"pool": {"kind": "basic", "stagse": []}}, r"pool.stagse: no such setting; did you mean 'stages'"),
        (
            {"pool": "tiny", "sampling": "sandwich"},
            r"^sampling: sandwich shows the smallest and the largest .*write paths=2",
        ),
        ({"pool": "tiny", "sampling": "gumbel"}, r"^sampling: expected 'uniform', 'trained' or 'sandwich'"),
        ({"pool": "tiny", "after": []}, r"^after: different blocks, one at least, found \[\]"),
        ({"pool": "tiny", "after": [1, 1]}, r"^after: different blocks, one at least, found \[1, 1\]"),
        ({"pool": "tiny", "after": [-1]}, r"^after.0: expected 0 or more"),
        ({"pool": "tiny", "paths": 0}, r"^paths: expected 1 or more"),
        ({"pool": "tiny", "sharpness": 0.0}, r"^sharpness: expected 1e-12 or more"),
        ({"pool": "tiny", "alpha": -1.0}, r"^alpha: expected 0 or more"),
        ({"pool": "tiny", "warmup": 1.5}, r"^warmup: expected at most 1"),
    ],
)
def test_settings_that_cannot_be_meant(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        choose(Method, {"name": "gtn", **fields})


@pytest.mark.parametrize(
    ("fields", "size", "said"),
    [
        ({"pool": "basic-8-1x8"}, 16, r"^pool: a branch needs students of at least two blocks; basic-8-1x8 has 1$"),
        ({"pool": "resnet8,basic-8-1x8"}, 16, r"^pool: .*two blocks; basic-8-1x8 has 1$"),
        ({"pool": "tiny", "after": [1, 4]}, 16, r"^after: the teacher has 3 blocks, so branches start after 0 to 3, not 4$"),
        ({"pool": "resnet8,vgg8"}, 4, r"^pool: vgg8: images of 4x4 do not survive .*; the smallest that do are 8x8$"),
        ({"pool": "vgg8", "after": [0]}, 4, r"^pool: vgg8: images of 4x4 do not survive"),
        ({"pool": "resnet8,no_such_module:net"}, 16, r"^pool: no_such_module:net: cannot import 'no_such_module'"),
    ],
)
def test_pairs_that_cannot_work(pair: Callable[..., Pair], fields: dict[str, Any], size: int, said: str) -> None:
    method = choose(Method, {"name": "gtn", **fields})
    with pytest.raises(ValueError, match=said), torch.device("meta"):
        method.build(pair(None, "resnet20", size=size))


def test_a_teacher_of_one_block(pair: Callable[..., Pair]) -> None:
    two = pair(None, "resnet8")
    one = replace(two, shapes=replace(two.shapes, features=two.shapes.features[:1]))
    with pytest.raises(
        ValueError, match="GTN puts branches after every block but the last; this teacher has a single block"
    ):
        GTN(pool=OWN).build(one)
    GTN(pool=OWN, after=(0,)).build(one)  # asked for in so many words
    with torch.device("meta"):
        GTN(pool=Pool(members=("basic-8-1x8",)), after=(0,)).build(two)  # whole students may have one block


# ------------------------------------------------------------------------------------------------ as plain data


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    own = types.ModuleType("pools_of_my_own")
    vars(own).update(COPY=replace(SPACES["tiny"]), OWN=OWN)
    monkeypatch.setitem(sys.modules, own.__name__, own)
    return own


@pytest.mark.parametrize("pool", ["tiny", "mobile", OWN, ["resnet8", "basic-8-1x8-1x16"], "vgg8"], ids=str)
def test_it_survives_json(pool: Any) -> None:
    method = choose(Method, {"name": "gtn", "pool": pool, "after": [0, 1]})
    text = json.dumps(to_json(method))
    back = choose(Method, json.loads(text))
    assert back == method
    assert digest(back) == digest(method)
    assert hash(back) == hash(method)


def test_the_digest_is_that_of_the_content(module: types.ModuleType) -> None:
    plain = to_json(SPACES["tiny"])
    same = ["tiny", "TINY", ["tiny"], SPACES["tiny"], plain, "pools_of_my_own:COPY"]
    assert len({digest(choose(Method, {"name": "gtn", "pool": pool})) for pool in same}) == 1
    others = [{**plain, "stem": [8]}, "small", "pools_of_my_own:OWN", "resnet8", "resnet8,vgg8", "vgg8,resnet8"]
    assert len({digest(choose(Method, {"name": "gtn", "pool": pool})) for pool in ["tiny", *others]}) == 7


def test_labels_are_short() -> None:
    tiny, twin = SPACES["tiny"], choose(Method, {"name": "gtn", "pool": to_json(SPACES["tiny"])})
    assert isinstance(twin, GTN)
    assert tiny.label == twin.pool.label == "tiny"
    assert OWN.label == "4 basic students"
    assert replace(tiny, stem=tuple(range(1, 101))).label == "115,200 basic students"
