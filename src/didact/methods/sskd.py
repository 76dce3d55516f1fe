"""SSKD: knowledge distillation meets self-supervision.

Xu, Liu, Li, Loy: Knowledge Distillation Meets Self-Supervision (ECCV 2020),
https://arxiv.org/abs/2006.07114

    ce = CE(zs, y)                                              upright images
    kd = T^2 KL(softmax(zt / T) || softmax(zs / T))             upright images
    tf = T^2 KL(softmax(zt / T) || softmax(zs / T))             rotated images that are kept
    ss = T^2 KL(softmax(At / T) || softmax(As / T))             rotated images that are kept
    L  = gamma ce + alpha kd + beta_tf tf + beta_ss ss

Every image is shown upright and turned by 90, 180 and 270 degrees. A is the matrix (3b, b) of the
cosine similarities of the rotated images' projected vectors with the upright ones'. Each network
has its own projection head on its pooled vector, of its own width: linear, ReLU, linear. Only the
matrices are compared, so any pair will do. Each term has a temperature T of its own.

Kept are the rotated images of a batch that the teacher has right (tf: the label has the highest
logit; ss: the own image is the most similar), and of the wrong ones the share ``ratio`` with the
best ranks of the truth, rounded down; among equal ranks the earlier row (undefined in the authors'
code). Means are over what is kept, 0 where nothing is.

In batches of one image its rotations have one upright image to be similar to, so that ss is 0 and
the head learns nothing.

The teacher's head comes first, in a stage of its own: 60 of 240 epochs at rate 0.05, a tenth of it
after a half and again after three quarters, by the cross entropy of the similarities (without a
temperature) against the own image; it is frozen afterwards. The teacher itself is frozen throughout
and in eval mode.

All defaults are those of the authors' code: weights 0.1, 0.9, 2.7, 10, temperatures 4, 4, 0.5,
ratios 1 (all are kept) and 0.75. The supplement of the ECCV version is reported to have the weights
3 and 5 for tf and ss.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from didact.losses import cross_entropy, divergences, in_float32, softened_kl, unit_rows
from didact.method import Method, MetricsContext, Pair, Stage, StepContext
from didact.spec import Count, NonNegative, Positive, spec
from didact.tensors import Labels, Needs, Scalar, reads, same_images, same_shape

TURNS = 4
"""Rows of an image in the view: upright, then turned by 90, 180 and 270 degrees."""

Rows = Float[Tensor, "rows d"]
Kept = Bool[Tensor, "rows"]
Integers = Int[Tensor, "rows"]
Ratio = Annotated[float, Field(ge=0, le=1)]


@in_float32
def loss(
    zs: Float[Tensor, "rows k"],
    zt: Float[Tensor, "rows k"],
    projected_s: Float[Tensor, "rows ds"],
    projected_t: Float[Tensor, "rows dt"],
    labels: Labels,
    *,
    temperature: float = 4.0,
    temperature_tf: float = 4.0,
    temperature_ss: float = 0.5,
    ratio_tf: float = 1.0,
    ratio_ss: float = 0.75,
) -> dict[str, Tensor]:
    """The four terms without their weights: ce, kd, tf, ss.

    Args:
        zs, zt: logits of student and teacher, rows 4i to 4i + 3 of image i: upright, then its
            rotations.
        projected_s, projected_t: the projected vectors of the same rows.
        labels: of the images, (b,).
    """
    same_shape(zs, zt)
    same_images(projected_s, projected_t)
    upright_s, rotated_s = apart(zs)
    upright_t, rotated_t = apart(zt)
    alike_s, alike_t = similarities(projected_s), similarities(projected_t)
    classes = labels.repeat_interleave(TURNS - 1)
    images = torch.arange(len(labels), device=labels.device).repeat_interleave(TURNS - 1)
    counted_tf, counted_ss = kept(ranks(rotated_t, classes), ratio_tf), kept(ranks(alike_t, images), ratio_ss)
    return {
        "ce": cross_entropy(upright_s, labels),
        "kd": temperature**2 * softened_kl(upright_t, upright_s, temperature),
        "tf": _kept_kl(rotated_t, rotated_s, temperature_tf, counted_tf),
        "ss": _kept_kl(alike_t, alike_s, temperature_ss, counted_ss),
    }


@in_float32
def head_loss(projected: Rows) -> Scalar:
    """What trains the teacher's head: cross entropy of the similarities against the own image,
    without a temperature."""
    alike = similarities(projected)
    images = torch.arange(alike.shape[1], device=alike.device).repeat_interleave(TURNS - 1)
    return cross_entropy(alike, images)


def apart(rows: Rows) -> tuple[Tensor, Tensor]:
    """The upright rows (b, d) and the rotated ones (3b, d), image by image."""
    images = rows.unflatten(0, (-1, TURNS))
    return images[:, 0], images[:, 1:].flatten(0, 1)


@in_float32
def similarities(projected: Rows) -> Tensor:
    """Cosines of every rotated image with every upright one, (3b, b); 0 with a vector that is all
    zero."""
    upright, rotated = apart(unit_rows(projected))
    return rotated @ upright.T


def ranks(scores: Rows, truth: Integers) -> Integers:
    """How many scores of a row are higher than the true one's: 0 where the row is right."""
    return (scores > scores.gather(1, truth[:, None])).sum(1)


def kept(rank: Integers, ratio: float) -> Kept:
    """Which rows count: all of rank 0, and of the others the share ``ratio``, rounded down, with
    the lowest ranks."""
    right = (rank == 0).sum()
    number = right + (ratio * (len(rank) - right).double()).floor()
    return rank.argsort(stable=True).argsort() < number


def _kept_kl(z_from: Tensor, z_to: Tensor, temperature: float, counted: Kept) -> Scalar:
    """T^2 KL(softmax(z_from / T) || softmax(z_to / T)), mean over the rows that count; 0 where none
    does."""
    log_p, log_q = F.log_softmax(z_from / temperature, 1), F.log_softmax(z_to / temperature, 1)
    each = divergences(log_p, log_q).sum(1)
    return temperature**2 * torch.where(counted, each, 0).sum() / counted.sum().clamp(min=1)


@spec
class SSKD(Method):
    """Distillation of logits and of self-supervised similarities on rotated images."""

    gamma: NonNegative = 0.1
    """Weight of the cross entropy with the labels (upright images)."""
    alpha: NonNegative = 0.9
    """Weight of KD on upright images."""
    beta_tf: NonNegative = 2.7
    """Weight of KD on rotated images."""
    beta_ss: NonNegative = 10.0
    """Weight of the similarities."""
    temperature: Positive = 4.0
    """Temperature of KD on upright images."""
    temperature_tf: Positive = 4.0
    """Temperature of KD on rotated images."""
    temperature_ss: Positive = 0.5
    """Temperature of the similarities."""
    ratio_tf: Ratio = 1.0
    """Share of the rotated images misclassified by the teacher that still count."""
    ratio_ss: Ratio = 0.75
    """Share that still counts of the rotated images that the teacher finds more similar to another
    image than to their own."""
    init_epochs: Count | None = None
    """Epochs of the first stage, which trains the teacher's head; none: a quarter of the
    recipe's."""

    @property
    def needs(self) -> Needs:
        return reads("logits pooled", teacher="logits pooled", views="rotations", main=False)

    def stages(self) -> tuple[Stage, ...]:
        head = Stage(
            "head",
            epochs=self.init_epochs,
            share=0.25,
            moves=("extras.teacher_head.",),
            learning_rate=0.05,
            milestones=(0.5, 0.75),
            needs=reads("", teacher="pooled", views="rotations", main=False),
        )
        return head, Stage(moves=("net.", "extras.student_head."))

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        if pair.image[1] != pair.image[2]:
            raise ValueError(
                f"sskd turns images by 90 degrees, and these are {pair.image[1]}x{pair.image[2]}: "
                "use square images, or another method"
            )
        return Heads(pair.shapes.pooled[0], teacher_shapes.pooled[0])

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Heads)
        view = context.views["rotations"]
        assert view.teacher is not None and view.teacher.pooled is not None
        if context.clock.stage == "head":
            return {"head": head_loss(extras.teacher_head(view.teacher.pooled))}
        assert view.own.logits is not None and view.own.pooled is not None and view.teacher.logits is not None
        with torch.no_grad():
            projected_t = extras.teacher_head(view.teacher.pooled)
        terms = loss(
            view.own.logits,
            view.teacher.logits,
            extras.student_head(view.own.pooled),
            projected_t,
            context.batch.labels,
            temperature=self.temperature,
            temperature_tf=self.temperature_tf,
            temperature_ss=self.temperature_ss,
            ratio_tf=self.ratio_tf,
            ratio_ss=self.ratio_ss,
        )
        weights = {"ce": self.gamma, "kd": self.alpha, "tf": self.beta_tf, "ss": self.beta_ss}
        return {name: weights[name] * value for name, value in terms.items()}

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        """In a step the logits of the upright images; none in the first stage, where the network is
        not run."""
        logits = context.views["rotations"].own.logits if context.moment == "step" else None
        return {} if logits is None else {"": logits[::TURNS]}


class Heads(nn.Module):
    """A projection head for each network, on pooled vectors of these widths."""

    def __init__(self, own: int, other: int) -> None:
        super().__init__()
        self.student_head = _head(own)
        self.teacher_head = _head(other)


def _head(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
