"""Classifiers in plain torch of kinds that papers have, each as small as its idea allows; for images of 3x32x32."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

CLASSES = 5


class Made(nn.Module):
    """A classifier from functions: what each stage computes, with the modules that it uses."""

    def __init__(self, forward: Callable[[Made, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.way = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self, x)


def conv(a: int, b: int, stride: int = 1, groups: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(a, b, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(b), nn.ReLU()
    )


def pyramid(unit: Callable[[int, int], nn.Module], *, last: nn.Module | None = None) -> nn.Sequential:
    """A stem, three units that halve the size, and a linear classifier."""
    units = [unit(a, b) for a, b in ((8, 12), (12, 16), (16, 24))]
    return nn.Sequential(conv(3, 8), *units, last or nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, CLASSES))


class Excited(nn.Module):
    """An inverted bottleneck with squeeze and excitation (MobileNetV3, EfficientNet)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.widen, self.spread = conv(a, 2 * a, kernel=1), conv(2 * a, 2 * a, 2, groups=2 * a)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * a, 4, 1), nn.ReLU(), nn.Conv2d(4, 2 * a, 1))
        self.narrow = nn.Sequential(nn.Conv2d(2 * a, b, 1, bias=False), nn.BatchNorm2d(b))

    def forward(self, x: Tensor) -> Tensor:
        x = self.spread(self.widen(x))
        return self.narrow(x * F.hardsigmoid(self.gate(x)))


class Shuffled(nn.Module):
    """Half of the channels pass by, and channels are shuffled (ShuffleNetV2)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.down, self.rest = conv(a, b, 2), conv(b // 2, b // 2)

    def forward(self, x: Tensor) -> Tensor:
        same, other = self.down(x).chunk(2, dim=1)
        x = torch.cat([same, self.rest(other)], 1)
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)


class Parallel(nn.Module):
    """Branches with kernels of several sizes next to each other (Inception, SqueezeNet)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([conv(a, b // 4, kernel=1), conv(a, b // 2), conv(a, b // 4, kernel=5)])

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(torch.cat([branch(x) for branch in self.branches], 1), 3, 2, 1)


class Summed(nn.Module):
    """A 3x3, a 1x1 and an identity branch that are added (RepVGG)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.down, self.wide, self.point, self.same = conv(a, b, 2), conv(b, b), conv(b, b, kernel=1), nn.BatchNorm2d(b)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return F.relu(self.wide(x) + self.point(x) + self.same(x), inplace=True)


class PreActivated(nn.Module):
    """Norm and activation before the convolutions (pre-activation ResNet), with group norm."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.GroupNorm(2, a), nn.Conv2d(a, b, 3, 2, 1)
        self.norm2, self.conv2, self.skip = nn.GroupNorm(2, b), nn.Conv2d(b, b, 3, padding=1), nn.Conv2d(a, b, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(x))
        return self.skip(x) + self.conv2(F.silu(self.norm2(self.conv(x))))


class Scaled(nn.Module):
    """Depthwise 7x7, layer norm over channels, a scale for each channel, stochastic depth (ConvNeXt)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.down, self.spread = nn.Conv2d(a, b, 2, 2), nn.Conv2d(b, b, 7, padding=3, groups=b)
        self.norm, self.mlp = nn.LayerNorm(b), nn.Sequential(nn.Linear(b, 2 * b), nn.GELU(), nn.Linear(2 * b, b))
        self.scale = nn.Parameter(0.1 * torch.ones(b))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        new = (self.scale * self.mlp(self.norm(self.spread(x).permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        if self.training:
            new = new * torch.empty(x.shape[0], 1, 1, 1).bernoulli_(0.8)
        return x + new


class Bounded(nn.Module):
    """Convolutions with normalised weights (weight norm, spectral norm), which are parametrisations."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(nn.Conv2d(a, b, 3, 2, 1))
        self.more = parametrizations.spectral_norm(nn.Conv2d(b, b, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.more(self.conv(x).relu()), 0.1)


class Windows(nn.Module):
    """Attention inside windows that are shifted, then neighbours are merged; channels come last (Swin)."""

    def __init__(self, a: int, b: int, window: int = 4, shift: int = 2) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm, self.attention = nn.LayerNorm(a), nn.MultiheadAttention(a, 2, batch_first=True)
        self.merge = nn.Linear(4 * a, b)

    def forward(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        k = self.window
        rolled = torch.roll(self.norm(x), (-self.shift, -self.shift), (1, 2))
        parts = rolled.view(b, h // k, k, w // k, k, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, k * k, c)
        parts = self.attention(parts, parts, parts, need_weights=False)[0]
        back = parts.view(b, h // k, w // k, k, k, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        x = x + torch.roll(back, (self.shift, self.shift), (1, 2))
        return self.merge(torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1))


def windows() -> nn.Module:
    stages = nn.Sequential(Windows(8, 12, 4), Windows(12, 16, 4))
    return Made(
        lambda net, x: net.fc(net.stages(net.patch(x).permute(0, 2, 3, 1)).mean((1, 2))),  # type: ignore[operator]
        patch=nn.Conv2d(3, 8, 2, 2),
        stages=stages,
        fc=nn.Linear(16, CLASSES),
    )


def encoder() -> nn.Module:
    """torch's own encoder layers, four register tokens and a class token."""

    def forward(net: Made, x: Tensor) -> Tensor:
        x = net.patch(x).flatten(2).transpose(1, 2)  # type: ignore[operator]
        x = torch.cat([net.extra.weight.expand(x.shape[0], -1, -1), x], 1)  # type: ignore[union-attr, operator]
        for layer in net.layers:  # type: ignore[union-attr]
            x = layer(x)
        return net.fc(x[:, 0])  # type: ignore[operator]

    layers = nn.ModuleList(nn.TransformerEncoderLayer(12, 2, 24, 0.1, batch_first=True) for _ in range(3))
    return Made(forward, patch=nn.Conv2d(3, 12, 8, 8), extra=nn.Embedding(5, 12), layers=layers, fc=nn.Linear(12, CLASSES))


class Mixed(nn.Module):
    """Multilayer perceptrons over tokens and over channels (MLP-Mixer)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(12), nn.LayerNorm(12)
        self.tokens = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
        self.channels = nn.Sequential(nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 12))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


def mixer() -> nn.Module:
    rows = nn.Sequential(*(Mixed() for _ in range(3)))
    return nn.Sequential(
        nn.Conv2d(3, 12, 8, 8), Made(lambda net, x: x.flatten(2).transpose(1, 2)), rows, Ends(), nn.Linear(12, CLASSES)
    )


class Ends(nn.Module):
    """The mean over tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


class Reduced(nn.Module):
    """Tokens whose keys and values come from a smaller map, then fewer tokens (PVT)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.down, self.reduce = nn.Conv2d(a, b, 2, 2), nn.Conv2d(b, b, 2, 2)
        self.norm, self.attention = nn.LayerNorm(b), nn.MultiheadAttention(b, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        few = self.norm(self.reduce(x).flatten(2).transpose(1, 2))
        tokens = tokens + self.attention(self.norm(tokens), few, few, need_weights=False)[0]
        return tokens.transpose(1, 2).reshape(b, c, h, w)


def recurrent() -> nn.Module:
    """One block of weights that every stage uses again (ALBERT), between convolutions of their own."""

    def forward(net: Made, x: Tensor) -> Tensor:
        for down in net.downs:  # type: ignore[union-attr]
            x = net.shared(net.shared(down(x)))  # type: ignore[operator]
        return net.fc(x.amax((2, 3)))  # type: ignore[operator]

    downs = nn.ModuleList([conv(3, 8, 2), conv(8, 8, 2), conv(8, 8, 2)])
    return Made(forward, downs=downs, shared=conv(8, 8), fc=nn.Linear(8, CLASSES))


def averaged() -> nn.Module:
    """Two normalised classifiers of one vector, averaged (LeViT)."""

    def forward(net: Made, x: Tensor) -> Tensor:
        x = net.body(x).flatten(2).mean(-1)  # type: ignore[operator]
        return (net.one(x) + net.two(x)) / 2  # type: ignore[operator]

    heads = {name: nn.Sequential(nn.BatchNorm1d(24), nn.Linear(24, CLASSES)) for name in ("one", "two")}
    return Made(forward, body=nn.Sequential(conv(3, 8, 2), conv(8, 16, 2), conv(16, 24, 2)), **heads)


def fused() -> nn.Module:
    """Two resolutions that exchange features, joined at the ends of stages (HRNet)."""

    class Exchange(nn.Module):
        def __init__(self, a: int, b: int) -> None:
            super().__init__()
            self.fine, self.coarse = conv(a, b, 2), conv(a, b, 4)
            self.up, self.join = conv(b, b, kernel=1), conv(2 * b, b)

        def forward(self, x: Tensor) -> Tensor:
            fine, coarse = self.fine(x), self.coarse(x)
            return self.join(torch.cat([fine, F.interpolate(self.up(coarse), scale_factor=2.0)], 1))

    return pyramid(Exchange)


NETS: dict[str, Callable[[], nn.Module]] = {
    "squeeze and excitation": lambda: pyramid(Excited),
    "channel shuffle": lambda: pyramid(Shuffled),
    "parallel branches": lambda: pyramid(Parallel),
    "summed branches": lambda: pyramid(Summed),
    "pre-activation": lambda: pyramid(PreActivated),
    "layer scale": lambda: pyramid(Scaled),
    "weight norm": lambda: pyramid(Bounded),
    "shifted windows": windows,
    "encoder with registers": encoder,
    "mixer": mixer,
    "reduced keys": lambda: pyramid(Reduced),
    "weights used again": recurrent,
    "averaged heads": averaged,
    "fused resolutions": fused,
    "largest values": lambda: pyramid(Summed, last=nn.AdaptiveMaxPool2d(1)),
}
