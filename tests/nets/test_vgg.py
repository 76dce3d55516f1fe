"""VGG13, VGG8 and a branch between them, layer by layer as in Tables 10 to 12 of the SFTN paper."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from didact.nets.adapt import Transform
from didact.nets.blocks import BlockNet, join
from didact.nets.zoo import create

KINDS = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn", nn.ReLU: "relu", nn.MaxPool2d: "pool"}


def layers(net: nn.Module, shape: tuple[int, ...]) -> list[str]:
    """Every layer that runs, in order, as "kind c x h x w"; convolutions with their kernel."""
    seen: list[str] = []

    def watch(module: nn.Module) -> Callable[..., None]:
        def note(_: nn.Module, __: Any, out: torch.Tensor) -> None:
            kernel = f"{module.kernel_size[0]}" if isinstance(module, nn.Conv2d) else ""
            seen.append(f"{KINDS[type(module)]}{kernel} {'x'.join(map(str, out.shape[1:]))}")

        return note

    hooks = [m.register_forward_hook(watch(m)) for m in net.modules() if type(m) in KINDS]
    with torch.no_grad():
        net.eval()(torch.zeros(1, *shape, device="meta"))
    for hook in hooks:
        hook.remove()
    return seen


def convs(count: int, shape: str, kernel: int = 3) -> list[str]:
    """``count`` times convolution, batch norm, ReLU of one shape."""
    return [f"conv{kernel} {shape}", f"bn {shape}", f"relu {shape}"] * count


def vgg(name: str) -> BlockNet:
    with torch.device("meta"):
        return create(name, 100)


def test_vgg13_is_table_10() -> None:
    net = vgg("vgg13")
    first = [*convs(2, "64x32x32"), "pool 64x16x16", *convs(2, "128x16x16")]
    assert layers(net.slice(0, 1), (3, 32, 32)) == first  # Conv2d-1 to Relu-13
    assert layers(net.slice(1, 2), (128, 16, 16)) == ["pool 128x8x8", *convs(2, "256x8x8")]
    assert layers(net.slice(2, 3), (256, 8, 8)) == ["pool 256x4x4", *convs(2, "512x4x4")]
    assert layers(net.slice(3, 4), (512, 4, 4)) == convs(2, "512x4x4")
    assert len(layers(net, (3, 32, 32))) == 33  # the table's layers before AvgPool2d-34


def test_vgg8_is_table_11() -> None:
    net = vgg("vgg8")
    first = [*convs(1, "64x32x32"), "pool 64x16x16", *convs(1, "128x16x16")]
    assert layers(net.slice(0, 1), (3, 32, 32)) == first  # Conv2d-1 to Relu-7
    assert layers(net.slice(1, 2), (128, 16, 16)) == ["pool 128x8x8", *convs(1, "256x8x8")]
    assert layers(net.slice(2, 3), (256, 8, 8)) == ["pool 256x4x4", *convs(1, "512x4x4")]
    assert layers(net.slice(3, 4), (512, 4, 4)) == convs(1, "512x4x4")
    assert len(layers(net, (3, 32, 32))) == 18


def test_branches_are_table_12() -> None:
    teacher, student = vgg("vgg13"), vgg("vgg8")
    own, other = teacher.shapes((3, 32, 32)).features, student.shapes((3, 32, 32)).features
    tails = {
        1: ["pool 128x8x8", *convs(1, "256x8x8"), "pool 256x4x4", *convs(1, "512x4x4"), *convs(1, "512x4x4")],
        2: ["pool 256x4x4", *convs(1, "512x4x4"), *convs(1, "512x4x4")],
        3: convs(1, "512x4x4"),
    }
    for i, tail in tails.items():
        with torch.device("meta"):
            transform = Transform(own[i - 1], other[i - 1])
        mark = "x".join(map(str, own[i - 1]))
        assert layers(transform, own[i - 1]) == convs(1, mark, kernel=1)
        assert layers(join(transform, student.slice(i)), own[i - 1]) == [*convs(1, mark, kernel=1), *tail]
