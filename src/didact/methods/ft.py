"""FT: factor transfer.

Kim, Park, Kwak: Paraphrasing Complex Network: Network Compression via Factor Transfer (NeurIPS
2018), https://arxiv.org/abs/1802.04977

    paraphraser: L = mean((D(P(ft)) - ft)^2)
    then:        L = gamma CE + alpha KD + beta mean(|Q(T(fs)) - Q(P(ft))|)
    Q(f) = mean over channels of f^2, flattened over positions, divided by its L2 norm

fs, ft are the last feature maps. A first stage trains the paraphraser, which squeezes the teacher's
map to k of its channels (P) and restores it (D), and nothing else; in the main stage it is frozen,
and the student learns with its translator T. P and T are three 3x3 convolutions, D three transposed
ones, each followed by a leaky ReLU of slope 0.1; T, not P and D, has batch norm. Of two factors the
larger is adaptively average-pooled first.

Defaults are RepDistiller's: beta 200, k 0.5, the first stage an eighth of the recipe's epochs at
the constant rate 0.01 (for its resnet and wrn students; for others it takes the student's). The
paper's factor is the whole one, flattened over channels too and divided by its L2 norm: kind
"authors". Their code has weight 500, reconstructs under the L1 loss, and has no batch norm in the
translator; the last is not offered. Any two maps can be compared: the translator ends in the
paraphraser's width. An attention map of a single position is 1 for every image, and nothing is
transferred.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import attention_map, in_float32, pool_alike, task, unit_rows
from didact.method import Idle, Joint, Pair, Parallel, Stage, StepContext
from didact.nets.adapt import one_position
from didact.spec import Count, NonNegative, Positive, Share, check_word, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature, maps, reads, same_shape


@in_float32
def loss(factor_s: Feature, factor_t: TeacherFeature, kind: str = "attention") -> Scalar:
    """Mean absolute difference of the normalised factors: of their attention maps, or ("authors")
    of all their elements.

    The larger of two factors is adaptively average-pooled. An all-zero factor counts as zero, with
    zero gradient.
    """
    check_word("kind", kind, ("attention", "authors"))
    factor_s, factor_t = pool_alike(factor_s, factor_t)
    if kind == "attention":
        return (attention_map(factor_s) - attention_map(factor_t)).abs().mean()
    if factor_s.shape[1] != factor_t.shape[1]:
        raise ValueError(f"whole factors must agree in channels, found {factor_s.shape[1]} and {factor_t.shape[1]}")
    return (unit_rows(factor_s.flatten(1)) - unit_rows(factor_t.flatten(1))).abs().mean()


@in_float32
def restoration(restored: Feature, ft: Feature, norm: str = "l2") -> Scalar:
    """Mean over all elements of (restored - ft)^2, or of |restored - ft| ("l1")."""
    maps(restored, ft)
    same_shape(restored, ft)
    check_word("norm", norm, ("l2", "l1"))
    return F.mse_loss(restored, ft) if norm == "l2" else F.l1_loss(restored, ft)


@spec
class FT(Joint):
    """Factor transfer on the last feature map."""

    beta: NonNegative = 200.0
    """Weight of the factors' difference."""
    k: Share = 0.5
    """Channels of a factor as a share of the teacher's, rounded down, at least one."""
    kind: Literal["attention", "authors"] = "attention"
    """What of the factors is compared: their attention maps, or all their elements."""
    reconstruction: Literal["l2", "l1"] = "l2"
    """The paraphraser's loss; the authors use "l1"."""
    init_epochs: Count | None = None
    """Epochs of the paraphraser's training; None is an eighth of the recipe's (RepDistiller:
    30 before 240)."""
    init_rate: Positive = 0.01
    """The paraphraser's learning rate."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def stages(self) -> tuple[Stage, ...]:
        first = Stage(
            name="paraphraser",
            epochs=self.init_epochs,
            share=0.125,
            moves=("extras.paraphraser",),
            learning_rate=self.init_rate,
            needs=reads("", teacher="features"),
        )
        return (first, Stage(moves=("net.", "extras.translator")))

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Factors(pair.shapes.features[-1][0], teacher_shapes.features[-1][0], self.k)

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        maps = pair.shapes.features[-1], pair.with_teacher()[1].features[-1]
        if self.kind != "attention" or not self.beta or not one_position(*maps):
            return ()
        why = "the last maps meet at a single position, whose attention is always 1, so the term 'factor' teaches nothing"
        return (Idle(f"{why}; write method.kind=authors, or take larger images"),)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Factors) and context.teacher is not None
        ft = context.teacher.features[-1]
        if context.clock.stage == "paraphraser":
            return {"reconstruction": restoration(extras.paraphraser(ft), ft, self.reconstruction)}
        with torch.no_grad():
            factor_t = extras.paraphraser.squeeze(ft)
        terms = task(self, context.own, context.teacher, context.batch.targets)
        return terms | {"factor": self.beta * loss(extras.translator(context.own.features[-1]), factor_t, self.kind)}


class Factors(nn.Module):
    """The teacher's paraphraser and the student's translator."""

    def __init__(self, own: int, other: int, k: float) -> None:
        super().__init__()
        width = max(1, int(other * k))
        self.paraphraser = Paraphraser(other, width)
        self.translator = _layers(nn.Conv2d, [own, own, width, width], norm=True)


class Paraphraser(nn.Module):
    """Squeezes a map of ``channels`` to a factor of ``width`` and restores it."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.squeeze = _layers(nn.Conv2d, [channels, channels, width, width])
        self.restore = _layers(nn.ConvTranspose2d, [width, width, channels, channels])

    def forward(self, x: Feature) -> Tensor:
        return self.restore(self.squeeze(x))


def _layers(conv: type[nn.Conv2d | nn.ConvTranspose2d], widths: list[int], norm: bool = False) -> nn.Sequential:
    """3x3 convolutions between successive ``widths``, each with its norm, if any, and a leaky
    ReLU."""
    layers: list[nn.Module] = []
    for source, width in pairwise(widths):
        layers += [conv(source, width, 3, padding=1), *([nn.BatchNorm2d(width)] if norm else []), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)
