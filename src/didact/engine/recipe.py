"""Recipes: epochs, batch size, optimiser, schedule, precision.

``paper``: RepDistiller's CIFAR-100 set-up, which the SFTN paper adopts (240 epochs, batch 64, SGD 0.05 or 0.01, x0.1 after
epochs 150, 180 and 210). ``short``: one cycle (linear rise, cosine fall to zero) over as many epochs as asked.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator

from didact.engine import precision
from didact.engine.precision import Precision
from didact.nets import entry
from didact.spec import MOST, Count, NonNegative, Positive, Share, SpecError, nearest, shown, spec, to_json

_PAPER_RATE = 0.05  # the papers' rate for ordinary networks, to which an entry's own rate is compared


@spec
class Recipe:
    """How a network is trained, whatever it learns from: SGD with momentum, weight decay on all parameters and extras."""

    epochs: Count = 240
    """Length of the training; stages that a method adds come on top."""
    batch_size: Annotated[int, Field(ge=2, le=MOST)] = 64
    """Images per step; the last batch of an epoch may be smaller. Batch norm needs at least 2."""
    learning_rate: Positive = 0.05
    """The rate at the start (steps) or at the peak (one-cycle)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    weight_decay: NonNegative = 5e-4
    """L2 penalty."""
    schedule: Literal["steps", "one-cycle", "constant"] = "steps"
    """How the rate moves: drops at given shares of the epochs, one cycle, or not at all."""
    milestones: tuple[Share, ...] = (0.625, 0.75, 0.875)
    """steps: shares of the epochs after which the rate falls, as a list: [0.625,0.75,0.875] is 150, 180 and 210 of 240."""
    decay: Positive = 0.1
    """steps: the factor of each fall."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """one-cycle: share of the training in which the rate rises, from a 25th of its peak."""
    precision: Precision = "fp32"
    """bf16 is autocast: bfloat16 convolutions, float32 weights, losses and updates."""

    @model_validator(mode="after")
    def _possible(self) -> Recipe:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self

    def lr(self, epoch: int, epochs: int, progress: float) -> float:
        """The learning rate in ``epoch`` (from 0) of ``epochs``; ``progress`` is the share of all steps done, in [0, 1)."""
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "steps":
            return self.learning_rate * self.decay ** sum(epoch >= round(share * epochs) for share in self.milestones)
        if progress < self.warmup:
            return self.learning_rate * (0.04 + 0.96 * progress / self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))


RECIPES: dict[str, tuple[str, Recipe]] = {
    "paper": ("240 epochs, batch 64, SGD 0.05 (0.01 for ShuffleNet and MobileNet), x0.1 at 150, 180, 210", Recipe()),
    "short": (
        "one cycle over as many epochs as asked, batch 128, peak 0.1 (0.02 for ShuffleNet and MobileNet)",
        Recipe(epochs=12, batch_size=128, learning_rate=0.1, schedule="one-cycle"),
    ),
}


def settings(name: str, net: str) -> dict[str, Any]:
    """The fields of the recipe called ``name`` for the network ``net``, ready to be overridden.

    Raises:
        SpecError: no recipe of that name.
    """
    if name not in RECIPES:
        raise SpecError(f"unknown recipe {shown(name)}{nearest(name, RECIPES)}")
    recipe = RECIPES[name][1]
    gentle = entry(net).paper_rate / _PAPER_RATE
    return to_json(recipe) | {"learning_rate": recipe.learning_rate * gentle}


def best_precision(device: str) -> Precision:
    """What ``auto`` stands for on ``device``: on a GPU bf16 where it multiplies it natively, on the CPU the faster one.

    A processor's times are measured once and kept (:func:`~didact.engine.precision.times`), so that the same request is the
    same run every time.
    """
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return precision.times().best if device.startswith("cpu") else "fp32"
