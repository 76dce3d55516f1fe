"""KDSVD: leading singular vectors.

Lee, Kim, Song: Self-supervised Knowledge Distillation Using Singular Value Decomposition (ECCV
2018), https://arxiv.org/abs/1807.06819

    F    = feature as a matrix, positions x channels, = U S V^T
    vt   = the first column of the teacher's V
    vs   = the one of the student's first four columns with the largest |cosine| to vt,
           with that cosine's sign
    R(v, w)[i, j] = exp(-(v_i - w_j)^2 / 8), v of one level, w of the level before
    L    = gamma CE + alpha KD
           + beta (1 / b) sum over successive levels of ||R(vs, ws) - R(vt, wt)||_F^2

This is RepDistiller's definition with k = 1 (its singular values enter only divided by their norm,
hence as 1); it has no published weight there, beta 1 is mdistiller's. R depends on the signs of vt
and wt, which RepDistiller leaves to the SVD at hand; here the entry of largest magnitude is
positive, as all entries can be for maps after ReLU. mdistiller lays the matrix out otherwise
(vectors over the width), which is not offered.

Right singular vectors are the eigenvectors of F^T F, or F^T times those of F F^T where that is
smaller, found for all samples at once. Squared singular values count as equal, or as zero, within
the share 100 eps of the largest (eps of the number format): what would turn two such vectors into
each other has no gradient, and a vector whose value is zero counts as zero. On CUDA the
decomposition waits for the device. Maps may differ in size. If channels differ, a 1x1 convolution
without bias leads the student's map to the teacher's. Levels are paired in order, or by resolution
where the numbers of blocks differ; then a teacher's level may succeed itself.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import in_float32, task
from didact.method import Joint, Pair, Parallel, StepContext
from didact.nets.adapt import match
from didact.nets.blocks import Shape
from didact.spec import NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature, maps, same_images


@in_float32
def loss(fs: tuple[Tensor, ...], ft: tuple[Tensor, ...]) -> Scalar:
    """Two or more successive levels of both networks: summed over pairs of levels and channels,
    divided by the batch size.

    Levels must agree in channels, not in sizes. All-zero maps of either network give no gradient at
    their level.
    """
    directions = [aligned(s, t) for s, t in zip(fs, ft, strict=True)]
    pairs = [
        (relation(own, own_before) - relation(other, other_before)).pow(2).sum() / len(own)
        for (own_before, other_before), (own, other) in pairwise(directions)
    ]
    return sum(pairs[1:], pairs[0])


@in_float32
def relation(upper: Tensor, lower: Tensor) -> Tensor:
    """exp(-(v_i - w_j)^2 / 8) of vectors (b, i) and (b, j), less one, which keeps float32's digits:
    (b, i, j)."""
    return torch.expm1((upper[:, :, None] - lower[:, None, :]).pow(2) / -8)


@in_float32
def aligned(fs: Feature, ft: TeacherFeature) -> tuple[Tensor, Tensor]:
    """(vs, vt): the student's direction that is nearest to the teacher's first one, signed alike,
    and that; (b, c) each."""
    maps(fs, ft)
    same_images(fs, ft)
    if fs.shape[1] != ft.shape[1]:
        raise ValueError(f"directions of {ft.shape[1]} channels for a feature of {fs.shape[1]}: put an adapter between them")
    with torch.no_grad():
        vt = leading(ft, 1)
        vt = vt * vt.gather(1, vt.abs().argmax(1, keepdim=True)).sign()
    vs = leading(fs, 4)
    with torch.no_grad():
        cosine = (vs * vt).sum(1, keepdim=True)
        size = cosine.abs()
        chosen = torch.where(size == size.amax(2, keepdim=True), cosine.sign(), 0)
    return (vs * chosen).sum(2), vt[:, :, 0]


@in_float32
def leading(f: Feature, keep: int) -> Tensor:
    """The first ``keep`` right singular vectors of positions x channels, (b, c, keep); fewer where
    the matrix has fewer."""
    known = f.detach()  # vectors do not depend on its largest magnitude, squares would over- or underflow
    scale = torch.maximum(known.amax((1, 2, 3), keepdim=True), -known.amin((1, 2, 3), keepdim=True))
    rows = (f / torch.where(scale > 0, scale, 1)).flatten(2).mT
    if rows.shape[1] >= rows.shape[2]:
        return _eigenvectors(rows, keep)
    return F.normalize(rows.mT @ _eigenvectors(rows.mT, keep), dim=1)


def _eigenvectors(x: Tensor, keep: int) -> Tensor:
    """Of x^T x (b, m, m) those of the ``keep`` largest eigenvalues, in falling order; columns of
    zeros for zero ones.

    eigh's own gradient divides by every gap between two eigenvalues. This one is that of the kept
    vectors alone, by first-order perturbation: a vector moves by V diag(1 / gaps) V^T d(x^T x) v,
    added below with the value zero.
    """
    half = x.detach().mT @ x  # d(x^T x) is its derivative and the transpose of that: one product of x's size each way
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(torch.nan_to_num(half))  # it raises on NaN, which passes on below
        kept = values[:, None, -keep:].flip(2)
        least = 100 * torch.finfo(x.dtype).eps * values[:, -1:, None]
        v = torch.where(kept > least, vectors[:, :, -keep:].flip(2), 0)
        gaps = kept - values[:, :, None]
        inverse = torch.where(gaps.abs() > least, 1 / gaps, 0)
    turned = (half + half.mT) @ v
    return v + vectors @ (inverse * (vectors.mT @ (turned - turned.detach())))


@spec
class KDSVD(Joint):
    """Relations between the leading singular vectors of successive levels."""

    beta: NonNegative = 1.0
    """Weight of the sum over pairs of levels."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def parallel(self) -> Parallel:
        return "images"

    def on_host(self) -> str:
        return "its decomposition waits for the device"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Levels(pair.shapes.features, teacher_shapes.features)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Levels) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        fs = tuple(adapt(f) for adapt, f in zip(extras.adapt, context.own.features, strict=True))
        ft = tuple(context.teacher.features[t] for _, t in extras.pairs)
        return terms | {"singular": self.beta * loss(fs, ft)}


class Levels(nn.Module):
    """Which block of the teacher belongs to which block of the student, from 0, and the adapters of
    the student's maps."""

    def __init__(self, own: tuple[Shape, ...], other: tuple[Shape, ...]) -> None:
        super().__init__()
        if len(own) < 2:
            raise ValueError(
                f"relations between successive blocks of a network that has {len(own)}: take one with two or more"
            )
        self.pairs = match(own, other)
        widths = [(own[s][0], other[t][0]) for s, t in self.pairs]
        self.adapt = nn.ModuleList(nn.Identity() if s == t else nn.Conv2d(s, t, 1, bias=False) for s, t in widths)
