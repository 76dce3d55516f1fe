"""Networks that cannot be trained, or are no classifiers, are refused before any training."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.nets import create, split
from didact.spec import SpecError
from support.owned import Always

IMAGE = (1, 8, 8)


class Small(nn.Module):
    """Two convolutions and a linear layer; ``kind`` says what is wrong with it."""

    def __init__(self, kind: str = "", norm: nn.Module | None = None) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, 2, 1)
        self.norm = norm or nn.BatchNorm2d(4)
        self.fc = nn.Linear(6, 3)
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.one(x.to(self.one.weight.dtype))).relu()
        x = self.two(x).relu().mean((2, 3))
        if self.kind == "NaN":
            x = x / (x - x)
        if self.kind == "root of 0":
            x = x + (0 * x).sqrt()
        if self.kind == "centred":
            x = x - x.mean(0, keepdim=True)
        if self.kind == "always dropped":
            x = F.dropout(x)
        if self.kind == "two at a time":
            x = x.view(2, 6)
        logits = self.fc(x)
        if self.kind == "pairs":
            logits = logits @ logits.T
        if self.kind == "mean":
            logits = logits.mean(0, keepdim=True)
        if self.kind == "a class less":
            logits = logits + torch.tensor([0.0, 0.0, -torch.inf])
        return logits.argmax(1, keepdim=True) if self.kind == "class" else logits


class Counts(nn.Module):
    """Scales by the number of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class Noise(nn.Module):
    """Infinite values in training mode."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (0.0 if self.training else 1.0)


def with_infinity() -> nn.Module:
    net = Small()
    nn.init.constant_(net.norm.weight, torch.inf)  # type: ignore[arg-type]
    return net


def partly(net: nn.Module, **elsewhere: torch.device | torch.dtype) -> nn.Module:
    net.get_submodule("fc").to(**elsewhere)  # type: ignore[call-overload]
    return net


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "float64": (lambda: Small().double(), r"one.weight is float64, and didact trains float32: call .float\(\) on it"),
    "bfloat16": (lambda: Small().bfloat16(), "one.weight is bfloat16, .*the setting precision"),
    "partly float16": (lambda: partly(Small(), dtype=torch.float16), "fc.weight is float16"),
    "partly elsewhere": (
        lambda: partly(Small(), device=torch.device("meta")),
        "several devices, norm.bias on cpu and fc.bias on meta",
    ),
    "no shape yet": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), "1.weight has no shape before the first images"),
    "statistics of the batch": (
        lambda: Small(norm=nn.BatchNorm2d(4, track_running_stats=False)),
        r"other logits beside other images, in eval mode, too \(norm keeps no running statistics\)",
    ),
    "mean of the batch": (lambda: Small("centred"), "other logits beside other images, in eval mode, too; then a test"),
    "logits of pairs": (lambda: Small("pairs"), "returns 2 logits for each of 2 images and 3 for each of 3"),
    "one row": (lambda: Small("mean"), r"returns \(1, 3\) for 2 images"),
    "a size of batch": (lambda: Small("two at a time"), "cannot take 3 images of shape .*invalid for input of size 18"),
    "dropout in eval mode": (
        lambda: Small("always dropped"),
        r"gives other logits for the same images each time, in eval mode, too; .*F.dropout\(x, p, training=self.training\)",
    ),
    "a module that drops in eval mode": (
        lambda: Small(norm=Always()),
        r"the first values that differ come from norm, Always",
    ),
    "calls that count": (lambda: Small(norm=Counts()), r"other logits for the same images .*come from norm, Counts"),
    "NaN": (lambda: Small("NaN"), r"gives NaN for images of noise; nothing can be learned from that: look for parameters"),
    "NaN from a layer": (with_infinity, r"gives NaN for images of noise \(.* not finite come from norm, BatchNorm2d\)"),
    "a masked class": (lambda: Small("a class less"), "gives infinite logits for images of noise; .*masked by -inf"),
    "NaN in training mode": (lambda: Small(norm=Noise()), "gives logits that are not finite in training mode"),
    "a gradient of NaN": (
        lambda: Small("root of 0"),
        "has a gradient that is not finite at .*; a root, a norm or a logarithm",
    ),
    "a class": (lambda: Small("class"), "returns int64; a classifier returns logits, which are floats"),
}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    made = types.ModuleType("refused_nets")
    monkeypatch.setitem(__import__("sys").modules, made.__name__, made)
    return made


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_is_refused(make: Callable[[], nn.Module], message: str, module: types.ModuleType) -> None:
    with pytest.raises(ValueError, match=message):
        split(make(), IMAGE)
    module.make = lambda classes, channels: make()  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match=rf"refused_nets:make.*{message}"):
        create("refused_nets:make", 3, 1, size=8)


def test_a_network_without_values_is_refused_by_name(module: types.ModuleType) -> None:
    module.make = lambda classes, channels: Small().to("meta")  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match="parameters are on the meta device, so they hold no values"):
        create("refused_nets:make", 3, 1, size=8)
    module.make = lambda classes, channels: create("resnet8", classes, channels).double()  # type: ignore[attr-defined]
    with pytest.raises(SpecError, match=r"stem\.0\.weight is float64"):
        create("refused_nets:make", 3, 1, size=8)


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.BatchNorm2d(4)])
def test_norms_that_do_not_look_at_others_are_no_fault(norm: nn.Module) -> None:
    assert split(Small(norm=norm), IMAGE)(torch.zeros(2, *IMAGE)).shape == (2, 3)


def test_running_statistics_and_random_numbers_are_as_before() -> None:
    net, random = Small(), torch.get_rng_state()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    split(net, IMAGE)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(random, torch.get_rng_state()) and not any(part._forward_hooks for part in net.modules())


def test_a_network_of_ones_own_is_split_where_only_shapes_are_asked(module: types.ModuleType) -> None:
    module.make = lambda classes, channels: Small()  # type: ignore[attr-defined]
    with torch.device("meta"):
        net = create("refused_nets:make", 3, 1, size=8)
    assert net.shapes(IMAGE).classes == 3
