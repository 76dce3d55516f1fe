"""SemCKD: cross-layer distillation with semantic calibration.

Chen, Mei, Zhang, Wang, Feng, Chen: Cross-Layer Distillation with Semantic Calibration (AAAI 2021),
https://arxiv.org/abs/2012.03236

    G(f)       = F F^T over the flattened samples
    q_s, k_t   = MLP_s(G(fs)), MLP_t(G(ft)), each row divided by its L2 norm
    a[i, s, t] = softmax over t of q_s[i] . k_t[i]
    e[i, s, t] = mean over c, h, w of (r_st(fs)[i] - ft[i])^2
    L          = gamma CE + alpha KD + beta sum of (a e) / (batch * number of student blocks)

Every block s of the student learns from every block t of the teacher; attention says how much,
image by image. r_st is 1x1 convolution, BN, ReLU, 3x3, BN, ReLU, 1x1, twice the teacher's channels
wide inside and without biases. The larger of two maps is adaptively average-pooled, so any two go
together. Formula and beta 400 are the SimKD code's, which trains it with alpha 1 (the preset
``semckd+kd``).

A row of G goes into the MLP as it is, so the MLP is as wide as the batch (b, then 2 (b // 4), then
b // 4). The rows of a smaller last batch are filled up with zeros; the authors' code leaves such a
batch out. In batches of fewer than 8 images queries and keys are single numbers of length 1, and
attention does not learn. The reference divides by the plain L2 norm; here an all-zero row stays
zero. Its MLPs own layers that nothing uses; these are left out.

The projections are large, by definition: 10 million parameters for resnet32x4 -> resnet8x4, where a
step costs three times one of KD, and 850 million for a ResNet-50 with CIFAR's strides, whose last
block has 2048 channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from didact.losses import in_float32, pool_alike, task, unit_rows
from didact.method import Idle, Joint, Pair, StepContext
from didact.nets.blocks import Shape
from didact.spec import NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, Vector, same_images


@in_float32
def loss(queries: Float[Tensor, "b s d"], keys: Float[Tensor, "b t d"], errors: Float[Tensor, "b s t"]) -> Scalar:
    """Sum of attention times error over the number of images and student blocks; attention: softmax
    over t of q_s . k_t."""
    same_images(queries, keys)
    same_images(queries, errors)
    attention = (queries @ keys.mT).softmax(2)
    return (attention * errors).sum(2).mean()


@in_float32
def gram(f: Feature, width: int) -> Vector:
    """Inner products of the flattened samples, (b, width): from column b on they are zero."""
    flat = f.permute(0, 2, 3, 1).flatten(1)  # as the values lie in memory: products do not depend on the order
    assert len(flat) <= width, f"{len(flat)} images for an attention made for batches of {width}"
    half = flat.detach() @ flat.T  # its derivative and the transpose of that are the product's: one pass back, not two
    return F.pad(half + (half - half.detach()).T, (0, width - len(flat)))


@in_float32
def error(fs: Feature, ft: Feature) -> Tensor:
    """Squared difference of every sample (b,), mean over channels and positions."""
    return (fs - ft).pow(2).mean((1, 2, 3))


@spec
class SemCKD(Joint):
    """Hint learning from all blocks to all blocks, weighted by attention."""

    beta: NonNegative = 400.0
    """Weight of the sum over pairs of blocks."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def build(self, pair: Pair) -> nn.Module:
        _, shapes = pair.with_teacher()
        return Calibration(pair.shapes.features, shapes.features, pair.batch)

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        if pair.batch >= 8 or not self.beta:
            return ()
        why = "in batches of fewer than 8 images queries and keys are 1 or -1, so its attention does not learn"
        return (Idle(f"{why}; its hints do", whole=False),)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Calibration) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        return terms | {"calibration": self.beta * loss(*extras(context.own.features, context.teacher.features))}


class Calibration(nn.Module):
    """Who attends to whom, and how far apart they are.

    Args:
        own, other: the shapes of the student's and the teacher's features.
        batch: images in a batch, the width of the attention's inputs.
    """

    def __init__(self, own: tuple[Shape, ...], other: tuple[Shape, ...], batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.queries = nn.ModuleList(_mlp(batch) for _ in own)
        self.keys = nn.ModuleList(_mlp(batch) for _ in other)
        self.projections = nn.ModuleList(nn.ModuleList(_projection(s[0], t[0]) for t in other) for s in own)

    def forward(self, own: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (b, s, d), keys (b, t, d) and errors (b, s, t)."""
        errors = [torch.stack([self._error(s, fs, t, ft) for t, ft in enumerate(other)], 1) for s, fs in enumerate(own)]
        return self._embedded(self.queries, own), self._embedded(self.keys, other), torch.stack(errors, 1)

    def _embedded(self, mlps: nn.ModuleList, features: tuple[Tensor, ...]) -> Tensor:
        return torch.stack([unit_rows(mlp(gram(f, self.batch))) for mlp, f in zip(mlps, features, strict=True)], 1)

    def _error(self, s: int, fs: Tensor, t: int, ft: Tensor) -> Tensor:
        fs, ft = pool_alike(fs, ft)
        return error(self.projections[s][t](fs), ft)  # type: ignore[index]


def _mlp(batch: int) -> nn.Module:
    width = max(1, batch // 4)
    return nn.Sequential(nn.Linear(batch, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))


def _projection(channels: int, wanted: int) -> nn.Module:
    inside = 2 * wanted
    return nn.Sequential(
        nn.Conv2d(channels, inside, 1, bias=False),
        nn.BatchNorm2d(inside),
        nn.ReLU(),
        nn.Conv2d(inside, inside, 3, padding=1, bias=False),
        nn.BatchNorm2d(inside),
        nn.ReLU(),
        nn.Conv2d(inside, wanted, 1, bias=False),
    )
