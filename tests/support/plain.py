"""Classifiers in plain torch, each written in another of the ways people write them; for images of 3x32x32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 5


def vgg() -> nn.Module:
    """One row of layers with activations in place, and a classifier of several layers."""
    layers: list[nn.Module] = []
    width = 3
    for wide in (4, 8, 12):
        layers += [nn.Conv2d(width, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        width = wide
    last = [nn.Flatten(), nn.Linear(12 * 16, 16), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(16, CLASSES)]
    return nn.Sequential(*layers, *last)


class Unit(nn.Module):
    """A residual unit whose two activations are one module."""

    def __init__(self, source: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(source, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.down = nn.Conv2d(source, width, 1, stride) if source != width or stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.down is None else self.down(x)
        x = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        x += same
        return self.act(x)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Unit(8, 8, 1), Unit(8, 8, 1))
        self.layer2 = nn.Sequential(Unit(8, 16, 2), Unit(16, 16, 1))
        self.layer3 = nn.Sequential(Unit(16, 24, 2), Unit(24, 24, 1))
        self.fc = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.act(self.norm(self.conv(x))))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).view(x.shape[0], -1))


def residual() -> nn.Module:
    return Residual()


class Layer(nn.Module):
    """A dense layer, with dropout as a function."""

    def __init__(self, source: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(source)
        self.conv = nn.Conv2d(source, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        new = F.dropout(self.conv(F.relu(self.norm(x), inplace=True)), 0.2, self.training)
        return torch.cat([x, new], 1)


def dense() -> nn.Module:
    rows: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1)]
    for width in (8, 16, 24):
        rows += [Layer(width), Layer(width + 4), nn.AvgPool2d(2)]
    return nn.Sequential(*rows, nn.BatchNorm2d(32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))


class Mixer(nn.Module):
    """A unit on maps whose channels come last, dropped as a whole for some images (stochastic depth)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        new = self.mix(F.gelu(self.norm(self.spread(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))))
        if self.training:
            new = new * torch.rand(x.shape[0], 1, 1, 1).gt(0.3)
        return x + new


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.stage1 = nn.Sequential(Mixer(8), Mixer(8))
        self.merge = nn.Linear(32, 12)
        self.stage2 = nn.Sequential(Mixer(12), Mixer(12))
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage1(self.patch(x).permute(0, 2, 3, 1))
        corners = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        x = self.stage2(self.merge(torch.cat(corners, -1)))
        return self.fc(x.mean((1, 2)))


def channels_last() -> nn.Module:
    return ChannelsLast()


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        p = 0.1 if self.training else 0.0
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, dropout_p=p).transpose(1, 2).reshape(b, n, c))
        return x + self.mlp(self.norm2(x))


class Tokens(nn.Module):
    """A transformer with a class token, or without; its head reads that token, the mean, or two tokens with a head each."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 12, 8, 8)
        self.extra = nn.Parameter(torch.randn(1, extra, 12))
        self.place = nn.Parameter(torch.randn(1, 16 + extra, 12))
        self.blocks = nn.ModuleList(Attention(12, 2) for _ in range(3))
        self.norm = nn.LayerNorm(12)
        self.heads = nn.ModuleList(nn.Linear(12, CLASSES) for _ in range(max(1, extra)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.extra.expand(x.shape[0], -1, -1), x], 1) + self.place
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if len(self.heads) == 1:
            return self.heads[0](x[:, 0] if self.extra.shape[1] else x.mean(1))
        return (self.heads[0](x[:, 0]) + self.heads[1](x[:, 1])) / 2


def class_token() -> nn.Module:
    return Tokens(1)


def two_heads() -> nn.Module:
    """The average of two classifiers, each of a token of its own."""
    return Tokens(2)


def no_token() -> nn.Module:
    return Tokens(0)


class Shared(nn.Module):
    """A convolution and its norm that are used twice, between parts of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, 1)
        self.shared = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.PReLU())
        self.last = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.PReLU(), nn.Conv2d(12, 12, 3, 2, 1), nn.PReLU())
        self.alias = self.first
        self.unused = nn.Linear(2, 2)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.shared(self.shared(self.first(x))))
        return self.fc(x.mean((2, 3)))


def shared() -> nn.Module:
    return Shared()


def last_convolution() -> nn.Module:
    """Logits from a convolution, averaged over positions."""
    row = [nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.Hardswish(inplace=True)]
    return nn.Sequential(
        *row, nn.Conv2d(12, 12, 3, 2, 1), nn.ELU(), nn.Conv2d(12, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


class Gate(nn.Module):
    """Looks at a shape, so that it cannot be traced and stays whole."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] > 8:
            x = F.max_pool2d(x, 2)
        return x.relu_()


class Functional(nn.Module):
    """Parameters without modules, a buffer that is not kept, and submodules that cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([torch.randn(8, 3, 3, 3) / 5, torch.randn(12, 8, 3, 3) / 8])
        self.register_buffer("scale", torch.full((1, 8, 1, 1), 0.5), persistent=False)
        self.gates = nn.ModuleList(Gate() for _ in range(3))
        self.norm = nn.BatchNorm2d(12)
        self.out = nn.Parameter(torch.randn(CLASSES, 12))

    def forward(self, x: Tensor) -> Tensor:
        x = self.gates[0](F.conv2d(x, self.weights[0], padding=1)) * self.scale
        x = self.gates[1](self.norm(F.conv2d(x, self.weights[1], padding=1)))
        x = F.dropout2d(x, p=0.1, training=self.training)
        return F.linear(self.gates[2](x).flatten(2).mean(2), self.out)


def functional() -> nn.Module:
    return Functional()


class Windows(nn.Module):
    """Attention within windows of 2x2, roughly: between two convolutions a map is a row of windows, (b, windows, 4, c)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1)
        self.mix1, self.mix2 = nn.Linear(6, 6), nn.Linear(6, 6)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x).relu()
        b, c, h, w = x.shape
        x = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(b, h * w // 4, 4, c)
        x = self.mix2(F.gelu(self.mix1(x)))
        x = x.view(b, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return self.fc(self.conv2(x).relu().mean((2, 3)))


NETS = {
    make.__name__: make
    for make in (vgg, residual, dense, channels_last, class_token, two_heads, no_token, shared, last_convolution, functional)
}


class Branching(nn.Module):
    """Its own forward branches on sizes and counts with them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.ModuleList([nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 16, 3, 2, 1)])
        self.more = nn.Conv2d(16, 16, 1)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] > 24 and x.dim() == 4:
            x = F.avg_pool2d(input=x, kernel_size=3, stride=1, padding=1)
        for row in self.rows:
            x = row(x).relu()
        for _ in range(x.shape[-1] // 2):
            x = x + self.more(x)
        return self.fc(x.mean((2, 3)))


class Rotary(nn.Module):
    """Its attention has positions that are made in the forward from the size of the map, and tables on the device of a buffer."""

    def __init__(self, branches: bool) -> None:
        super().__init__()
        self.patch, self.branches = nn.Conv2d(3, 8, 4, 4), branches
        self.register_buffer("rates", torch.tensor([1.0, 0.5, 0.25, 0.125]))
        self.layers = nn.ModuleList(Attention(8, 2) for _ in range(3))
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x)
        side = x.shape[-1] if not self.branches else 8 if x.shape[-1] == 8 else 4
        steps = torch.arange(side * side, device=self.rates.device)
        angles = steps[:, None] * self.rates
        x = x.flatten(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x + torch.cat([angles.sin(), angles.cos()], -1))
        return self.fc(x.mean(1))
