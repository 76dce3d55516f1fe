"""Networks as other code bases write them, by hand: modules in plain torch with the names and the order of those code bases."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolution(source: int, width: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(source, width, kernel, stride, kernel // 2, groups=groups, bias=False)


def settled(net: nn.Module, channels: int = 3) -> nn.Module:
    """In eval mode, with weights and statistics that differ in every layer."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value, low in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
            ):
                assert value is not None
                with torch.no_grad():
                    value.copy_(torch.rand(value.shape, generator=generator) + low)
    return net.eval()


class Residual(nn.Module):
    """A unit of a residual network: ``convolutions`` of 2 (basic) or 3 (bottleneck), and a projection called ``beside``."""

    def __init__(self, source: int, width: int, stride: int, count: int, beside: str) -> None:
        super().__init__()
        self.count, self.beside = count, beside
        inner = width if count == 2 else width // 4
        sizes = [source, inner, width] if count == 2 else [source, inner, inner, width]
        kernels, strides = ([3, 3], [stride, 1]) if count == 2 else ([1, 3, 1], [1, stride, 1])
        for i in range(count):
            self.add_module(f"conv{i + 1}", convolution(sizes[i], sizes[i + 1], kernels[i], strides[i]))
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(sizes[i + 1]))
        projected = source != width or stride != 1
        layers = [convolution(source, width, 1, stride), nn.BatchNorm2d(width)] if projected else []
        self.add_module(beside, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i in range(1, self.count + 1):
            out = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(out))
            out = F.relu(out) if i < self.count else out
        return F.relu(out + getattr(self, self.beside)(x))


class ResNet(nn.Module):
    """``stem`` "small" (3x3) or "large" (7x7 and a pool); the last layer is called ``last``."""

    def __init__(
        self,
        widths: tuple[int, ...],
        lengths: tuple[int, ...],
        classes: int,
        *,
        count: int = 2,
        stem: str = "small",
        beside: str = "downsample",
        last: str = "fc",
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.stem, self.last, self.stages = stem, last, len(lengths)
        self.conv1 = convolution(channels, widths[0], *((3, 1) if stem == "small" else (7, 2)))
        self.bn1 = nn.BatchNorm2d(widths[0])
        for number, (source, width) in enumerate(itertools.pairwise(widths), 1):
            units = [Residual(source, width, 1 if number == 1 else 2, count, beside)]
            units += [Residual(width, width, 1, count, beside) for _ in range(lengths[number - 1] - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*units))
        self.add_module(last, nn.Linear(widths[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, 1) if self.stem == "large" else x
        for number in range(1, self.stages + 1):
            x = getattr(self, f"layer{number}")(x)
        return getattr(self, self.last)(x.mean((2, 3)))


class PreActivated(nn.Module):
    """A unit of a wide residual network."""

    def __init__(self, source: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(source), convolution(source, width, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(width), convolution(width, width)
        self.convShortcut = None if source == width else convolution(source, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        out = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return out + (x if self.convShortcut is None else self.convShortcut(active))


class Stage(nn.Module):
    def __init__(self, *units: nn.Module) -> None:
        super().__init__()
        self.layer = nn.Sequential(*units)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, length: int, factor: int, classes: int) -> None:
        super().__init__()
        self.conv1 = convolution(3, 16)
        widths = (16, 16 * factor, 32 * factor, 64 * factor)
        for number, (source, width) in enumerate(itertools.pairwise(widths), 1):
            first = PreActivated(source, width, 1 if number == 1 else 2)
            self.add_module(f"block{number}", Stage(first, *(PreActivated(width, width, 1) for _ in range(length - 1))))
        self.bn1 = nn.BatchNorm2d(widths[-1])
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for number in (1, 2, 3):
            x = getattr(self, f"block{number}")(x)
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


class VGG(nn.Module):
    def __init__(self, lengths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        source = 3
        for number, (width, length) in enumerate(zip((64, 128, 256, 512, 512), lengths, strict=True)):
            layers: list[nn.Module] = []
            for _ in range(length):
                layers += [nn.Conv2d(source, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
                source = width
            self.add_module(f"block{number}", nn.Sequential(*layers[:-1]))
        self.classifier = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        for number in range(5):
            x = F.max_pool2d(x, 2) if number in (1, 2, 3) else x
            x = F.relu(getattr(self, f"block{number}")(x))
        return self.classifier(x.mean((2, 3)))


class Inverted(nn.Module):
    def __init__(self, source: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = source * expansion
        self.same = source == width and stride == 1
        self.conv = nn.Sequential(
            *(convolution(source, inner, 1), nn.BatchNorm2d(inner), nn.ReLU()),
            *(convolution(inner, inner, 3, stride, inner), nn.BatchNorm2d(inner), nn.ReLU()),
            *(convolution(inner, width, 1), nn.BatchNorm2d(width)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + x if self.same else self.conv(x)


class MobileNet(nn.Module):
    def __init__(self, factor: float, classes: int) -> None:
        super().__init__()
        source = int(32 * factor)
        self.conv1 = nn.Sequential(convolution(3, source, 3, 2), nn.BatchNorm2d(source), nn.ReLU())
        self.blocks = nn.ModuleList()
        table = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
        for expansion, channels, length, stride in table:
            units = []
            for i in range(length):
                units.append(Inverted(source, int(channels * factor), 1 if i else stride, expansion))
                source = int(channels * factor)
            self.blocks.append(nn.Sequential(*units))
        self.conv2 = nn.Sequential(convolution(source, 1280, 1), nn.BatchNorm2d(1280), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(self.conv2(x).mean((2, 3)))


def shuffled(x: Tensor, groups: int) -> Tensor:
    batch, channels, height, width = x.shape
    return x.view(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


def chain(unit: nn.Module, x: Tensor, numbers: tuple[int, ...], active: tuple[bool, ...], shuffle: int = 0) -> Tensor:
    """conv and bn of these numbers; ``shuffle``: groups that are shuffled after the first."""
    for number, then in zip(numbers, active, strict=True):
        x = getattr(unit, f"bn{number}")(getattr(unit, f"conv{number}")(x))
        x = F.relu(x) if then else x
        if shuffle and number == numbers[0]:
            x = shuffled(x, shuffle)
    return x


class Layers(nn.Module):
    """conv1, bn1, conv2, bn2, ... from (channels in, channels out, kernel, stride, groups)."""

    def __init__(self, *layers: tuple[int, int, int, int, int]) -> None:
        super().__init__()
        for number, layer in enumerate(layers, 1):
            self.add_module(f"conv{number}", convolution(*layer))
            self.add_module(f"bn{number}", nn.BatchNorm2d(layer[1]))


class ShuffleOne(Layers):
    def __init__(self, source: int, width: int, stride: int) -> None:
        self.stride, self.groups = stride, 1 if source == 24 else 3
        inner = width // 4
        super().__init__((source, inner, 1, 1, self.groups), (inner, inner, 3, stride, inner), (inner, width, 1, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        out = chain(self, x, (1, 2, 3), (True, True, False), self.groups)
        return F.relu(torch.cat([out, F.avg_pool2d(x, 3, 2, 1)], 1) if self.stride == 2 else out + x)


class ShuffleTwo(Layers):
    def __init__(self, source: int, width: int, stride: int) -> None:
        half = width // 2
        left = [(source, source, 3, 2, source), (source, half, 1, 1, 1)] if stride == 2 else []
        inner = source if stride == 2 else half
        super().__init__(*left, (inner, half, 1, 1, 1), (half, half, 3, stride, half), (half, half, 1, 1, 1))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            left = chain(self, x, (1, 2), (False, True))
            return shuffled(torch.cat([left, chain(self, x, (3, 4, 5), (True, False, True))], 1), 2)
        kept, changed = x.chunk(2, 1)
        return shuffled(torch.cat([kept, chain(self, changed, (1, 2, 3), (True, False, True))], 1), 2)


class ShuffleNet(nn.Module):
    def __init__(self, version: int, widths: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(3, 24, 1), nn.BatchNorm2d(24)
        source = 24
        for number, (width, length) in enumerate(zip(widths, (4, 8, 4), strict=True), 1):
            unit = ShuffleOne if version == 1 else ShuffleTwo
            first = unit(source, width - source if version == 1 else width, 2)
            self.add_module(f"layer{number}", nn.Sequential(first, *(unit(width, width, 1) for _ in range(length - 1))))
            source = width
        if version == 2:
            self.conv2, self.bn2 = convolution(source, 1024, 1), nn.BatchNorm2d(1024)
            source = 1024
        self.linear = nn.Linear(source, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = F.relu(self.bn2(self.conv2(x))) if hasattr(self, "conv2") else x
        return self.linear(x.mean((2, 3)))


def network(name: str, classes: int = 7) -> nn.Module:
    """A network of another code base, by didact's name for it."""
    made = {
        "resnet8": lambda: ResNet((16, 16, 32, 64), (1, 1, 1), classes),
        "resnet8x4": lambda: ResNet((32, 64, 128, 256), (1, 1, 1), classes),
        "resnet50": lambda: ResNet(
            (64, 256, 512, 1024, 2048), (3, 4, 6, 3), classes, count=3, beside="shortcut", last="linear"
        ),
        "resnet18_imagenet": lambda: ResNet((64, 64, 128, 256, 512), (2, 2, 2, 2), classes, stem="large"),
        "resnet50_imagenet": lambda: ResNet((64, 256, 512, 1024, 2048), (3, 4, 6, 3), classes, count=3, stem="large"),
        "wrn_16_1": lambda: WideResNet(2, 1, classes),
        "wrn_16_2": lambda: WideResNet(2, 2, classes),
        "vgg8": lambda: VGG((1, 1, 1, 1, 1), classes),
        "vgg13": lambda: VGG((2, 2, 2, 2, 2), classes),
        "mobilenet_v2": lambda: MobileNet(0.5, classes),
        "shufflenet_v1": lambda: ShuffleNet(1, (240, 480, 960), classes),
        "shufflenet_v2": lambda: ShuffleNet(2, (116, 232, 464), classes),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return settled(made[name]())


NAMES = (
    *("resnet8", "resnet8x4", "resnet50", "resnet18_imagenet", "resnet50_imagenet", "wrn_16_1", "wrn_16_2"),
    *("vgg8", "vgg13", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2"),
)
