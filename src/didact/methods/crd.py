"""CRD: contrastive representation distillation.

Tian, Krishnan, Isola: Contrastive Representation Distillation (ICLR 2020),
https://arxiv.org/abs/1910.10699

    p_ij   = exp(<e_i, m_ij> / T) / Z
    NCE(p) = -mean over i of [log(p_i0 / (p_i0 + c))
                              + sum over j = 1 .. K of log((K / n) / (p_ij + c))]
    c      = K / n + 1e-7
    L      = gamma CE + alpha KD + beta (NCE(p of the student) + NCE(p of the teacher))

e_i is the embedding of image i by one network, m_ij what is remembered of an image's embedding by
the other: for j = 0 of the same image, for j = 1 .. K of images of other classes among the n of the
training set.

The pooled vectors of both networks, of any width, are embedded by a linear layer each and divided
by their L2 norm; both layers are trained. The student's embeddings are scored against the teacher's
memory and the other way round, with the same images. Z, one for each direction, is n times the mean
score of the first batch and stays. After scoring, the rows of the batch move to momentum * row + (1
- momentum) * embedding, at unit length; at first they are uniform noise. The defaults are
RepDistiller's: width 128, K 16384, T 0.07 (there rounded to float32), momentum 0.5, beta 0.8; the
preset ``crd+kd`` is its CRD+KD.

The memory takes 2 n * width * 4 bytes, 51 MB for 50,000 images and width 128; a step needs as much
again for a while.

Negatives are drawn with replacement, uniformly from all images of other classes, on the batch's
device, in a time that does not depend on the number of images. RepDistiller draws them without
replacement on the CPU (with it where a set has fewer than K). Everything is computed from
logarithms of scores, so it stays finite where exp overflows.
"""

from __future__ import annotations

from math import log, log1p
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from didact.losses import in_float32, task, unit_rows
from didact.method import Joint, Pair, SoftLabels, StepContext
from didact.spec import Count, NonNegative, Positive, spec
from didact.tensors import Labels, Needs, Scalar, Vector, rows, same_shape

EPS = 1e-7
unit = in_float32(unit_rows)

Scores = Float[Tensor, "b candidates"]
Bank = Float[Tensor, "n d"]
Candidates = Int[Tensor, "b candidates"]


@in_float32
def loss(scores_s: Scores, scores_t: Scores, samples: int) -> Scalar:
    """NCE of both directions, summed; each is a mean over the batch.

    Args:
        scores_s, scores_t: exp(similarity / T) / Z, of as many candidates; column 0 is the
            positive. A score below the smallest normal number of its type counts as that number,
            without gradient.
        samples: n, the size of the training set.
    """
    rows(scores_s, scores_t)
    same_shape(scores_s, scores_t)
    log_s, log_t = (p.clamp(min=torch.finfo(p.dtype).tiny).log() for p in (scores_s, scores_t))
    return nce(log_s, samples) + nce(log_t, samples)


@in_float32
def nce(log_scores: Scores, samples: int) -> Scalar:
    """One direction, from the logarithms of the scores.

    With c = K / n + eps, p / (p + c) is the sigmoid of log p - log c, and (K / n) / (p + c) that of
    its negative times (K / n) / c.
    """
    negatives = log_scores.shape[1] - 1
    noise = negatives / samples
    x = log_scores - log(noise + EPS)
    constant = negatives * log1p(EPS / noise)
    return constant - F.logsigmoid(x[:, 0]).mean() - F.logsigmoid(-x[:, 1:]).sum(1).mean()


@in_float32
def similarities(anchors: Vector, bank: Bank, candidates: Candidates) -> Scores:
    """<anchor i, row candidates[i, j] of the bank>. The gradient reaches the anchors only; the bank
    may change after.

    The shorter way is taken: all products with the whole bank, or with gathered rows. With one
    thread, K 16384 and batches of 64 the first took 0.14 s for 50,000 images, the second 2.1 s; at
    a million images they are within a factor of two.
    """
    if len(bank) <= candidates.numel():
        return (anchors @ bank.clone().T).gather(1, candidates)
    rows = bank.index_select(0, candidates.flatten()).unflatten(0, candidates.shape)
    return (rows @ anchors[:, :, None]).squeeze(2)


@spec
class CRD(Joint):
    """Contrastive representation distillation with a memory of all images."""

    beta: NonNegative = 0.8
    """Weight of the contrastive term."""
    contrast_temperature: Positive = 0.07
    """Temperature T of the scores."""
    negatives: Count = 16384
    """K, the images of other classes to which every image is compared."""
    width: Count = 128
    """Width of the embeddings."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of a remembered embedding that stays when its image is seen."""

    @property
    def needs(self) -> Needs:
        return self.reading("pooled")

    def soft_labels(self) -> SoftLabels:
        return "smoothed"  # an image's negatives are of other classes, its positive is the image itself

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        kinds = len(pair.labels.unique())
        if kinds < 2:
            raise ValueError(
                f"crd contrasts images of different classes, and the {pair.samples} training images are of {kinds}: "
                "keep images of two classes at least, or use another method"
            )
        return Memory(pair.shapes.pooled[0], teacher_shapes.pooled[0], self.width, pair.labels, pair.classes)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Memory) and context.teacher is not None
        assert context.own.pooled is not None and context.teacher.pooled is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        own, other = extras.embedded(context.own.pooled, context.teacher.pooled)
        negatives = extras.negatives(context.batch.labels, self.negatives, context.random)
        candidates = torch.cat([context.batch.index[:, None], negatives], 1)
        logits_s = similarities(own, extras.bank_t, candidates) / self.contrast_temperature
        logits_t = similarities(other, extras.bank_s, candidates) / self.contrast_temperature
        log_z = extras.normaliser(logits_s, logits_t)
        extras.remember(context.batch.index, own, other, self.momentum)
        samples = len(extras.bank_s)
        return terms | {"contrast": self.beta * (nce(logits_s - log_z[0], samples) + nce(logits_t - log_z[1], samples))}


class Memory(nn.Module):
    """The embeddings of both networks, what is remembered of every image, and the images sorted by
    class.

    Args:
        own, other: widths of the student's and the teacher's pooled vectors.
        width: of the embeddings.
        labels: of all training images, on the CPU.
        classes: how many there are.
    """

    bank_s: Tensor
    bank_t: Tensor
    log_z: Tensor
    started: Tensor
    order: Tensor
    first: Tensor
    count: Tensor

    def __init__(self, own: int, other: int, width: int, labels: Tensor, classes: int) -> None:
        super().__init__()
        self.embed_s = nn.Linear(own, width)
        self.embed_t = nn.Linear(other, width)
        bound = (width / 3) ** -0.5
        for name in ("bank_s", "bank_t"):
            self.register_buffer(name, torch.empty(len(labels), width).uniform_(-bound, bound))
        self.register_buffer("log_z", torch.zeros(2))
        self.register_buffer("started", torch.tensor(False))
        # derived from the labels, so on the CPU even where the rest is built without memory
        count = torch.bincount(labels, minlength=classes)
        self.register_buffer("order", labels.argsort(stable=True), persistent=False)
        self.register_buffer("first", count.cumsum(0) - count, persistent=False)
        self.register_buffer("count", count, persistent=False)

    def embedded(self, own: Vector, other: Float[Tensor, "b dt"]) -> tuple[Tensor, Tensor]:
        """The embeddings of both networks' vectors, at unit length."""
        return unit(self.embed_s(own)), unit(self.embed_t(other))

    def negatives(self, labels: Labels, number: int, random: torch.Generator) -> Tensor:
        """For each label ``number`` images of other classes, uniformly with replacement: (b,
        number).

        A position among the images sorted by class is drawn, and those of the own class are
        skipped. Drawn in float64: float32 has too few values for a large set to be drawn from
        evenly.
        """
        first, count = self.first[labels][:, None], self.count[labels][:, None]
        drawn = torch.rand(len(labels), number, dtype=torch.float64, generator=random, device=labels.device)
        position = (drawn * (len(self.order) - count)).long()
        return self.order[torch.where(position < first, position, position + count)]

    @torch.no_grad()
    def normaliser(self, logits_s: Scores, logits_t: Scores) -> Tensor:
        """log Z of both directions, (2,): n times the mean score, as it was in the first call."""
        log_n = log(len(self.bank_s) / logits_s.numel())
        fresh = torch.stack([logits_s.flatten().logsumexp(0), logits_t.flatten().logsumexp(0)]) + log_n
        self.log_z.copy_(torch.where(self.started, self.log_z, fresh))
        self.started.fill_(True)
        return self.log_z

    @torch.no_grad()
    def remember(self, index: Labels, own: Vector, other: Vector, momentum: float) -> None:
        """Move the rows of the images at ``index`` towards their embeddings."""
        for bank, context in ((self.bank_s, own), (self.bank_t, other)):
            moved = momentum * bank[index] + (1 - momentum) * context
            bank.index_copy_(0, index, unit_rows(moved))
