"""Networks and methods of a user's own, for tests: named ``owned:...``. They draw from the process's global generators."""

from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact import Block, BlockNet, Method
from didact.method import StepContext
from didact.nets import Head
from didact.spec import spec
from didact.tensors import Needs, reads


def convolution(source: int, target: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(source, target, 3, 2, 1, bias=False), nn.BatchNorm2d(target))


class Always(nn.Module):
    """Dropout in eval mode too, as Monte Carlo dropout has it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.2, training=True)


class DropPath(nn.Module):
    """Adds a row of layers to its input, dropped as a whole for some images (stochastic depth): by numbers that it makes
    itself, or fills a new tensor with.
    """

    def __init__(self, width: int, rate: float, filled: bool) -> None:
        super().__init__()
        self.row = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.rate, self.filled = rate, filled

    def forward(self, x: Tensor) -> Tensor:
        new, keep = self.row(x), 1 - self.rate
        if not self.training:
            return x + new
        shape = (x.shape[0], 1, 1, 1)
        kept = x.new_empty(shape).bernoulli_(keep) if self.filled else (keep + torch.rand(shape)).floor()
        return x + new / keep * kept


class Paths(nn.Module):
    """A plain network with stochastic depth in every stage."""

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 4, 3, padding=1)
        self.layer1, self.down, self.layer2 = DropPath(4, 0.5, True), nn.Conv2d(4, 8, 3, 2, 1), DropPath(8, 0.5, False)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.down(self.layer1(self.stem(x))).relu())
        return self.fc(F.dropout(x.mean((2, 3)), 0.2, self.training))


class Scaled(nn.Module):
    """Reads a number from its input, counts its calls and draws noise, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x / max(x.abs().max().item(), 1e-3) + 0.01 * torch.randn(x.shape)


def network(classes: int, channels: int, between: nn.Module) -> BlockNet:
    blocks = [
        ("1", Block(convolution(channels, 4), nn.ReLU())),
        ("2", Block(nn.Sequential(between, convolution(4, 8)), nn.ReLU())),
    ]
    return BlockNet(nn.Identity(), blocks, Head(8, classes))


def dropped(classes: int, channels: int) -> BlockNet:
    return network(classes, channels, nn.Dropout(0.3))


def always(classes: int, channels: int) -> BlockNet:
    return network(classes, channels, Always())


def paths(classes: int, channels: int) -> nn.Module:
    return Paths(classes, channels)


def rarely(classes: int, channels: int) -> BlockNet:
    """Drops so rarely that it drops nothing in most steps."""
    return network(classes, channels, nn.Dropout(0.0005))


def depths(classes: int, channels: int) -> BlockNet:
    """Rates of stochastic depth as they are usually written: numbers read from a tensor."""
    return network(classes, channels, nn.Dropout([rate.item() for rate in torch.linspace(0, 0.1, 2)][1]))


def scaled(classes: int, channels: int) -> BlockNet:
    return network(classes, channels, Scaled())


def unset(classes: int, channels: int) -> BlockNet:
    """Its second convolution has weights that nobody has set."""
    net = network(classes, channels, nn.Identity())
    nn.init.constant_(net.get_parameter("blocks.2.body.1.0.weight"), torch.nan)
    return net


@spec
class Noisy(Method):
    """Cross entropy with noise on the logits, from all three global generators, and towards the teacher's."""

    @property
    def needs(self) -> Needs:
        return reads("logits", teacher="logits")

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None and context.teacher is not None and context.teacher.logits is not None
        noise = torch.randn_like(context.own.logits) * np.random.rand() * random.random()
        ce = F.cross_entropy(context.own.logits + noise, context.batch.labels)
        return {"ce": ce, "near": F.mse_loss(context.own.logits, context.teacher.logits)}
