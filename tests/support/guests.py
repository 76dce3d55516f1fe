"""A stand-in for timm: a library with three networks, as it is installed in one version or another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.nets.libraries import catalogue


class Plain(nn.Module):
    """Three convolutions; ``act`` and ``kernel`` are what a new version may change."""

    def __init__(self, num_classes: int, in_chans: int, width: int = 4, kernel: int = 3, act: str = "relu") -> None:
        super().__init__()
        self.rows = nn.ModuleList(
            nn.Conv2d(a, b, kernel, 2, kernel // 2)
            for a, b in ((in_chans, width), (width, 2 * width), (2 * width, 3 * width))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(row.out_channels) for row in self.rows)
        self.act, self.drop = act, nn.Dropout(0.1)
        self.fc = nn.Linear(3 * width, num_classes)
        self.default_cfg = {"input_size": (3, 32, 32)}

    def forward(self, x: Tensor) -> Tensor:
        for row, norm in zip(self.rows, self.norms, strict=True):
            x = getattr(torch, self.act)(norm(row(x)))
        return self.fc(self.drop(x.mean((2, 3))))


class Sized(Plain):
    """A network for one size of images, which its constructor takes."""

    def __init__(self, num_classes: int, in_chans: int, img_size: int = 24) -> None:
        super().__init__(num_classes, in_chans)
        self.default_cfg = {"input_size": (3, img_size, img_size)}
        self.place = nn.Parameter(torch.zeros(1, in_chans, img_size, img_size))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + self.place)


class Ignores(Plain):
    """A network that always gives seven logits; its rates are numbers read from a tensor."""

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__(7, in_chans)
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 2)]


def library(**changed: Any) -> ModuleType:
    """timm, in a version with other defaults."""

    def create_model(name: str, num_classes: int, in_chans: int, **given: Any) -> nn.Module:
        kinds = {"plain_tiny": Plain, "sized_tiny": Sized, "ignores": Ignores}
        return kinds[name](num_classes, in_chans, **(changed if name == "plain_tiny" else {}), **given)

    made = ModuleType("timm")
    made.list_models = lambda: ["plain_tiny", "sized_tiny", "ignores"]  # type: ignore[attr-defined]
    made.create_model = create_model  # type: ignore[attr-defined]
    return made


@contextmanager
def installed(version: str = "1.0", **changed: Any) -> Iterator[None]:
    """Have the stand-in installed. Nothing that didact remembers of a library goes in or comes out."""
    remembered = (catalogue._looked_up, catalogue._hashed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "timm", library(**changed))
        patch.setattr(catalogue, "installed", {"timm": version}.__getitem__)
        for memory in remembered:
            memory.cache_clear()
        yield
    for memory in remembered:
        memory.cache_clear()


@contextmanager
def missing() -> Iterator[None]:
    """Have no library installed."""
    with installed(), pytest.MonkeyPatch.context() as patch:
        for package in ("timm", "torchvision", "transformers", "pytorchcv"):
            patch.setitem(sys.modules, package, None)
        yield
