"""Splitting in the same way again, pickles, images of another size, weights that are tied."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.files.tensors import read_tensors, write_tensors
from didact.nets import others
from didact.nets.splitting import own_state, split
from didact.nets.splitting.likeness import likeness
from didact.nets.splitting.network import divided
from support import plain

IMAGE = (3, 32, 32)


def images(batch: int = 2, size: int = 32) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", plain.NETS.values(), ids=plain.NETS)
def test_another_network_of_the_same_structure_is_divided_without_tracing(make: Callable[[], nn.Module]) -> None:
    plan = divided(make(), IMAGE, 3, checked=False)[1]
    other = make().eval()
    net = plan.build(other)
    assert torch.equal(net(images()), other(images())) and plan.classes == plain.CLASSES
    assert {id(p) for p in net.parameters()} == {id(p) for p in other.parameters()}
    assert own_state(net).keys() == other.state_dict().keys()
    seen = images()
    net.outputs(seen)
    assert torch.equal(seen, images())  # what changes its input in place was found out when the plan was made


@pytest.mark.parametrize("make", plain.NETS.values(), ids=plain.NETS)
def test_a_split_network_is_pickled(make: Callable[[], nn.Module]) -> None:
    net = split(make(), IMAGE, checked=False).eval()
    again = pickle.loads(pickle.dumps(net))
    assert torch.equal(again(images()), net(images()))
    assert again.state_dict().keys() == net.state_dict().keys()


class Tied(nn.Module):
    """Two convolutions with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.one, self.two = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.two.weight = self.one.weight
        self.rest = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rest(self.two(self.one(self.first(x)).relu())).mean((2, 3)))


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    net = split(Tied(), IMAGE)
    write_tensors(tmp_path / "a", net.state_dict(), {})
    single = split(Tied(), IMAGE)
    write_tensors(tmp_path / "b", {k: v.clone() for k, v in single.state_dict().items()}, {})
    assert (tmp_path / "a").stat().st_size < (tmp_path / "b").stat().st_size - 8 * 8 * 9 * 4 + 300
    state, _ = read_tensors(tmp_path / "a")
    assert state.keys() == net.state_dict().keys()
    fresh = split(Tied(), IMAGE)
    fresh.load_state_dict(state)
    assert torch.equal(fresh.eval()(images()), net.eval()(images()))
    weights = [
        value for name, value in fresh.state_dict(keep_vars=True).items() if name.endswith(("one.weight", "two.weight"))
    ]
    assert len(weights) == 2 and weights[0] is weights[1]


class Borrows(nn.Module):
    """Folds its tokens at the end to the height and width that it read at the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.mix = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        b, c, h, w = x.shape
        x = x.flatten(2).transpose(1, 2)
        for mix in self.mix:
            x = x + F.gelu(mix(x))
        return self.fc(x.transpose(1, 2).reshape(b, c, h, w).amax((2, 3)))


def test_numbers_that_follow_from_the_size_hold_for_that_size_only() -> None:
    net = split(Borrows(), IMAGE)
    assert net(images()).shape == (2, 5)
    with pytest.raises(ValueError, match=r"holds for images of 3x32x32 only.*found 3x40x40. Make and split it"):
        net(images(size=40))
    with pytest.raises(ValueError, match=r"holds for images of 3x32x32 only"):
        net.shapes((3, 40, 40))
    assert split(plain.residual(), IMAGE, checked=False)(images(size=40)).shape == (2, 5)


def test_networks_that_look_alike_were_made_alike() -> None:
    assert likeness(plain.residual()) == likeness(plain.residual()) is not None
    net = plain.residual()
    before = likeness(net)
    net.layer1[0].act.inplace = False  # type: ignore[union-attr, index]
    assert likeness(net) != before
    tied, untied = Tied(), Tied()
    untied.two.weight = nn.Parameter(untied.one.weight.detach().clone())
    assert likeness(tied) != likeness(untied)
    hidden = plain.residual()
    hidden.how = lambda x: x  # type: ignore[assignment]
    assert likeness(hidden) == likeness(copy.deepcopy(hidden))  # the same function
    hidden.how = object()  # type: ignore[assignment]
    assert likeness(hidden) is None


class Configuration:
    """Plain attributes, among them one that leads back, as libraries hand them to each of their modules."""

    def __init__(self, width: int) -> None:
        self.width, self.inner, self.kind = width, {"act": partial(nn.GELU, approximate="tanh")}, Kind.LARGE
        self.own = self


class Kind(Enum):
    LARGE = 1


def test_objects_that_hold_plain_attributes_are_compared_by_them() -> None:
    nets = [plain.residual() for _ in range(3)]
    for net, width in zip(nets, (8, 8, 9), strict=True):
        net.config = net.layer1.config = Configuration(width)  # type: ignore[union-attr, assignment]
    first, same, other = map(likeness, nets)
    assert first == same != other and first is not None
    nets[1].layer1.config = Configuration(8)  # type: ignore[union-attr, assignment]
    assert likeness(nets[1]) != first  # two objects, not one
    nets[0].config.lock = threading.Lock()  # type: ignore[union-attr]
    assert likeness(nets[0]) is None


def test_a_users_own_network_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[str] = []
    whole = others.divided
    monkeypatch.setattr(others, "_PLANS", type(others._PLANS)())
    monkeypatch.setattr(others, "divided", lambda model, *a, **k: (traced.append("one"), whole(model, *a, **k))[1])
    monkeypatch.setattr(others, "_made", lambda name, classes, channels: plain.residual())
    for _ in range(2):
        assert others.own("some:net", 5, 3, 32)(images()).shape == (2, 5)
    assert len(traced) == 1


def test_a_network_that_branches_on_sizes_is_followed_for_one_size() -> None:
    net = split(plain.Branching(), IMAGE, 3)
    assert [feature[1] for feature in net.shapes(IMAGE).features] == [16, 8, 4]
    with pytest.raises(ValueError, match="holds for images of 3x32x32 only"):
        net(images(size=16))


@pytest.mark.parametrize("branches", [False, True])
def test_positions_that_are_made_from_the_size_do_not_hinder_cuts(branches: bool) -> None:
    net = split(plain.Rotary(branches), IMAGE)
    assert len(net) >= 3 and {*net.shapes(IMAGE).features} == {(8, 8, 8)}
    assert "_tensor_constant0" not in net.state_dict() and not any("constant" in name for name in own_state(net))
    assert net.to("meta")(torch.empty(2, *IMAGE, device="meta")).shape == (2, plain.CLASSES)
    again = pickle.loads(pickle.dumps(split(plain.Rotary(branches), IMAGE, checked=False)))
    assert again(images()).shape == (2, plain.CLASSES)
