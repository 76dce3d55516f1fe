"""The layer that an exporter cannot take is found, however deep it lies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from didact.deploy.culprit import layer


class Listed(nn.Module):
    """Parts in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(3, 4, 1), nn.Sequential(nn.ReLU(), nn.Hardswish())])

    def forward(self, images: Tensor) -> Tensor:
        for part in self.parts:
            images = part(images)
        return images


IMAGES = torch.zeros(2, 3, 4, 4)


def test_the_innermost_layer_is_named() -> None:
    tried: list[str] = []

    def fails(part: nn.Module, given: tuple[Tensor, ...]) -> bool:
        tried.append(type(part).__name__)
        assert given[0].dim() == 4
        return any(isinstance(inner, nn.Hardswish) for inner in part.modules())

    assert layer(nn.Sequential(Listed(), nn.Flatten()), IMAGES, fails) == " (in 0.parts.1.1, a Hardswish)"
    assert tried == ["Listed", "Conv2d", "Sequential", "ReLU", "Hardswish"]


def test_where_no_part_fails_alone_nothing_is_named() -> None:
    assert layer(Listed(), IMAGES, lambda part, given: False) == ""


def test_a_network_that_stops_in_the_middle() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(9, 4, 1))
    assert layer(net, IMAGES, lambda part, given: part is net[1]) == " (in 1, a Conv2d)"
