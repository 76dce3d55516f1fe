"""Recipes: epochs, batch size, optimiser, schedule, precision.

Named recipes are in :mod:`didact.engine.recipes`.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from didact import data
from didact.spec import MOST, Count, Flag, NonNegative, Positive, Share, spec

Precision = Literal["fp32", "tf32", "bf16"]

FIRST_RATE = 0.01
"""A warm-up by epochs begins at this share of the rate, as torchvision's reference training does."""

IN_EIGHT_BITS = ("bits", "settle", "weight_scales")
"""Fields of a training in 8 bits."""


@spec
class Recipe:
    """How a network is trained, whatever it learns from. Network and extras (what a method adds)
    share one optimiser.
    """

    later: ClassVar = (
        "optimiser",
        "betas",
        "decay_norms",
        "warmup_epochs",
        "clip",
        "accumulate",
        "ema",
        "mixup",
        "cutmix",
        "label_smoothing",
        "bits",
        "settle",
        "norm_shares",
        "weight_scales",
    )

    epochs: Count = 240
    """Length of the training; stages that a method adds come on top."""
    batch_size: Annotated[int, Field(ge=2, le=MOST)] = 64
    """Images per step; the last batch of an epoch may be smaller. Batch norm needs at least 2."""
    learning_rate: Positive = 0.05
    """The rate at the start (steps) or at the peak (one-cycle, cosine)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    weight_decay: NonNegative = 5e-4
    """L2 penalty of SGD; of AdamW the decoupled decay."""
    schedule: Literal["steps", "one-cycle", "cosine", "constant"] = "steps"
    """How the rate moves: drops at given shares of the epochs, one cycle, a cosine fall to zero, or
    not at all.
    """
    milestones: tuple[Share, ...] = (0.625, 0.75, 0.875)
    """steps: shares of the epochs after which the rate falls, as a list: [0.625,0.75,0.875] is 150,
    180 and 210 of 240.
    """
    decay: Positive = 0.1
    """steps: the factor of each fall."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """one-cycle: share of the training in which the rate rises, from a 25th of its peak."""
    precision: Precision = "fp32"
    """bf16 is autocast: bfloat16 convolutions, float32 weights, losses and updates. tf32, on GPUs of
    NVIDIA from Ampere on: all products of float32 with 10 bits of mantissa. fp32: none of them.
    """
    optimiser: Literal["sgd", "adamw"] = "sgd"
    """sgd, or adamw (Loshchilov and Hutter, ICLR 2019), which has betas in the place of momentum."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """adamw: decay of the running means of the gradient and of its square, as a list."""
    decay_norms: Flag = True
    """Weight decay also on norms and biases: on parameters of one dimension or none."""
    warmup_epochs: Annotated[int, Field(ge=0, le=MOST)] = 0
    """cosine, steps, constant: epochs in which the rate rises, step by step, from a hundredth to
    its full value.
    """
    clip: Positive | None = None
    """Gradients are scaled down to at most this norm, over all parameters together; not at all when
    not given.
    """
    accumulate: Count = 1
    """Batches per step of the optimiser. Batch norm still sees one batch at a time."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of a moving average of the weights, by the step; the average is what is tested and
    kept. None when not given.
    """

    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Alpha of the Beta distribution of the shares in which two images of a batch are mixed; 0:
    they are not.
    """
    cutmix: Annotated[float, Field(ge=0, le=100)] = 0.0
    """The same for a rectangle of another image; with mixup each batch takes one of them by an even
    chance.
    """
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of every label that is spread evenly over all classes, in the cross entropies of any
    method.
    """

    bits: Literal[32, 8] = 32
    """8: weights and activations are rounded to 8 bits in every forward pass, as an exported file
    has them.
    """
    settle: Annotated[float, Field(gt=0, le=1)] = 0.5
    """bits=8: share of the epochs, at least one, after which ranges of activations and statistics of
    norms stay.
    """

    weight_scales: Literal["channel", "layer"] = "channel"
    """bits=8: a scale for each output channel of a layer's weights, or one for the whole layer, for
    devices that know no other; then norms keep the statistics of the student that is trained on.
    """

    norm_shares: Annotated[int, Field(ge=1, le=1024)] = 1
    """Batch norm takes its statistics over each of so many parts of a batch (ghost batch
    normalisation: Hoffer et al., NeurIPS 2017), for as many processes of torchrun, or one.
    """

    @model_validator(mode="after")
    def _possible(self) -> Recipe:
        if self.optimiser == "adamw":
            if self.momentum != Recipe.momentum:
                raise ValueError(f"momentum: adamw has betas in its place; leave it out (found {self.momentum:g})")
            if self.nesterov:
                raise ValueError("nesterov: is a form of SGD's momentum; leave it out, or write optimiser=sgd")
        elif self.betas != Recipe.betas:
            raise ValueError(f"betas: sgd has none; write optimiser=adamw, or leave them out (found {list(self.betas)})")
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        if self.warmup_epochs and self.schedule == "one-cycle":
            raise ValueError("warmup_epochs: one-cycle rises for a share of the training; write warmup, or schedule=cosine")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs: {self.warmup_epochs} of {self.epochs} epochs leave none at the full rate; "
                + (f"write {self.epochs - 1} or less" if self.epochs > 1 else "leave it out")
            )
        if self.bits == 8 and self.precision != "fp32":
            raise ValueError(
                f"precision: with bits=8 the values of 8 bits are computed in float32; write precision=fp32 "
                f"(found {self.precision})"
            )
        if self.bits != 8 and self.settle != Recipe.settle:
            raise ValueError(f"settle: is for bits=8; write bits=8, or leave it out (found {self.settle:g})")
        if self.bits != 8 and self.weight_scales != Recipe.weight_scales:
            raise ValueError("weight_scales: is for bits=8; write bits=8, or leave it out")
        if self.norm_shares > 1 and self.bits == 8:
            raise ValueError("norm_shares: with bits=8 ranges of activations follow whole batches; leave norm_shares out")
        if self.batch_size < 2 * self.norm_shares:
            raise ValueError(
                f"norm_shares: {self.norm_shares} parts of a batch of {self.batch_size} have less than 2 images, which batch "
                f"norm needs; write {self.batch_size // 2} or less"
            )
        return self

    def lr(self, epoch: int, epochs: int, progress: float) -> float:
        """The learning rate in ``epoch`` (from 0) of ``epochs``; ``progress`` is the share of all
        steps done, in [0, 1).

        A warm-up is a share of the epochs, ``warmup_epochs`` of the recipe's: shorter stages have
        shorter ones.
        """
        if self.schedule == "one-cycle":
            if progress < self.warmup:
                return self.learning_rate * (0.04 + 0.96 * progress / self.warmup)
            return self._cosine(progress, self.warmup)
        share = self.warmup_epochs / self.epochs
        rise = FIRST_RATE + (1 - FIRST_RATE) * progress / share if progress < share else 1.0
        if self.schedule == "steps":
            return rise * self.learning_rate * self.decay ** sum(epoch >= round(share * epochs) for share in self.milestones)
        if self.schedule == "cosine" and progress >= share:
            return self._cosine(progress, share)
        return rise * self.learning_rate

    def _cosine(self, progress: float, begin: float) -> float:
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - begin) / (1 - begin)))

    def settled(self, epoch: int, epochs: int) -> bool:
        """Whether ranges and statistics stay as they are in ``epoch`` (from 0) of ``epochs``, over
        all stages.
        """
        return self.bits == 8 and epoch >= max(1, round(self.settle * epochs))

    @property
    def mixing(self) -> data.Mixing:
        """What is done to whole batches."""
        return data.Mixing(self.mixup, self.cutmix, self.label_smoothing)

    @property
    def copies(self) -> int:
        """How often every trained parameter is in memory: value, gradient, what the optimiser
        remembers, the average.
        """
        return 2 + (2 if self.optimiser == "adamw" else 1) + (self.ema is not None)
