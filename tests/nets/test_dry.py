"""Shapes and multiply-accumulates without data: as those of a real pass, counted by torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from didact import nets
from didact.nets.dry import dry

FAMILIES = ["resnet8", "resnet8x4", "wrn_16_1", "vgg8", "mobilenetv2_0.5", "shufflenet_v1", "shufflenet_v2"]


def real(module: nn.Module, x: Tensor) -> tuple[list[tuple[int, ...]], int]:
    """Shapes of what the parts of ``module`` and it itself give, and what torch counts."""
    shapes: list[tuple[int, ...]] = []
    hooks = [part.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape))) for part in module.modules()]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(x)
    for hook in hooks:
        hook.remove()
    return shapes, counter.get_total_flops() // 2


def without_data(module: nn.Module, x: Tensor) -> tuple[list[tuple[int, ...]], int]:
    shapes: list[tuple[int, ...]] = []
    hooks = [part.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape))) for part in module.modules()]
    given, macs = dry(module, tuple(x.shape[1:]))
    for hook in hooks:
        hook.remove()
    assert tuple(given.shape) == shapes[-1]
    return shapes, macs


@pytest.mark.parametrize("name", FAMILIES)
def test_networks(name: str) -> None:
    net, x = nets.create(name, 7, 2), torch.randn(1, 2, 35, 33)
    assert without_data(net, x) == real(net, x)


class Attention(nn.Module):
    """Products that are no layer's."""

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(2)
        return ((rows @ rows.transpose(1, 2)).softmax(-1) @ rows).unflatten(2, tuple(x.shape[2:])) + 1


PARTS = {
    "transposed": nn.ConvTranspose2d(3, 4, 3, 2),
    "same": nn.Conv2d(3, 4, (3, 5), padding="same"),
    "reflected": nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
    "dilated": nn.Conv2d(3, 6, (3, 2), (2, 1), (1, 0), (2, 1), groups=3),
    "pools": nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d((2, 3), ceil_mode=True), nn.MaxPool2d(2, 1, dilation=2)),
    "rounded up": nn.MaxPool2d(2, ceil_mode=True),
    "adaptive": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5), nn.GELU(), nn.LayerNorm(5)),
    "attention": nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU(), Attention(), nn.BatchNorm2d(4), nn.ReLU6()),
    "instance": nn.Sequential(nn.InstanceNorm2d(3), nn.Hardtanh(0, 6)),
}


@pytest.mark.parametrize("name", PARTS)
def test_layers_of_any_kind(name: str) -> None:
    x = torch.randn(1, 3, 17, 15)
    assert without_data(PARTS[name], x) == real(PARTS[name], x)


@pytest.mark.parametrize(
    "wrong",
    [
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(3, 4, 9),
        nn.Conv2d(3, 4, 1).double(),
        nn.MaxPool2d(9),
        nn.AvgPool2d(2, padding=2),
        nn.Linear(9, 2),
    ],
    ids=repr,
)
def test_what_does_not_fit_is_said_by_torch(wrong: nn.Module) -> None:
    with pytest.raises(RuntimeError):
        dry(wrong, (3, 8, 8))
