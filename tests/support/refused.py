"""Classifiers in plain torch that cannot be split, each for a reason of its own; for images of 3x32x32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from support.plain import CLASSES, Branching


class Told(nn.Module):
    """A network that does one thing that cannot be split."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4, CLASSES)
        self.how = how

    def forward(self, x: Tensor) -> Any:
        if self.how == "branches" and x.mean() > 0:
            x = -x
        if self.how == "fixed":
            x = x.reshape(2, 3, 32, 32)
        if self.how == "looks at the batch" and x.shape[0] > 2:
            x = x * 2
        x = self.conv(x).relu()
        if self.how == "noise" and self.training:
            x = x + 1
        x = x.mean((2, 3))
        if self.how == "draws" and self.training:
            x = x * torch.rand(1)
        logits = x if self.how == "no classifier" else self.fc(x)
        return {"scores": logits} if self.how == "dict" else (logits, x) if self.how == "pair" else logits


class TwoInputs(Told):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x * mask)


class Counting(Branching):
    """Its own forward branches on values."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * 2 if x.sum().item() > 0 else x)


class Batched(Branching):
    """Its own forward counts its samples."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.cat([x[i : i + 1] for i in range(x.shape[0])]))


REFUSED = {
    "branches": (
        lambda: Told("branches"),
        r"forward of Told cannot be followed .*control flow.*module of its own",
    ),
    "fixed": (lambda: Told("fixed"), r"Told cannot take 3 images of shape \(3, 32, 32\): .*refused.py"),
    "looks at the batch": (lambda: Told("looks at the batch"), "Told gives an image other logits beside other images"),
    "noise": (lambda: Told("noise"), "other operations in training mode"),
    "draws": (lambda: Told("draws"), "makes a tensor from plain numbers"),
    "no classifier": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "no linear layer or convolution"),
    "dict": (lambda: Told("dict"), r"Told returns dict for 2 images.*wrap it in a module"),
    "pair": (lambda: Told("pair"), "Told returns tuple for 2 images"),
    "two inputs": (lambda: TwoInputs(""), "forward of TwoInputs needs x, mask"),
    "values": (Counting, "forward of Counting cannot be followed"),
    "samples": (Batched, "cannot be followed.*batch"),
}
