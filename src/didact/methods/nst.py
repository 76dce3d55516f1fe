"""NST: neuron selectivity transfer.

Huang, Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer (arXiv 2017),
https://arxiv.org/abs/1707.01219

    k(a, b) = (a . b)^2
    M(x, y) = mean over all channels a of x and b of y of k(a / |a|, b / |b|)
    L       = gamma CE + alpha KD + beta sum over blocks of
              mean over the batch of M(ft, ft) + M(fs, fs) - 2 M(fs, ft)

A channel is a vector over positions; M's combination is the squared maximum mean discrepancy
between the channels of student and teacher under the paper's polynomial kernel (degree 2, offset
0), so their numbers may differ. beta 50 is RepDistiller's. An all-zero channel counts as zero and
has no gradient. The larger of two maps of unequal size is adaptively average-pooled. Blocks are
paired index by index, or by resolution if their numbers differ. In maps of a single position all
channels are alike, and nothing is transferred.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import in_float32, pool_alike, task
from didact.method import Idle, Joint, Pair, Parallel, StepContext, idle_points
from didact.nets.adapt import Matched
from didact.spec import NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature


@in_float32
def loss(fs: Feature, ft: TeacherFeature) -> Scalar:
    """One level: mean over the batch of the squared discrepancy between the maps' channels.
    Channels may differ in number.

    With the channels as rows of S and T, the sum of k over all pairs is ||S T'||^2, which equals
    the inner product of S'S and T'T: matrices over channels or over positions, whichever take fewer
    multiplications.
    """
    fs, ft = pool_alike(fs, ft)
    s, t = F.normalize(fs.flatten(2), dim=2), F.normalize(ft.flatten(2), dim=2)
    own, teacher, positions = s.shape[1], t.shape[1], s.shape[2]
    if positions * (own + teacher) < own**2 + own * teacher + teacher**2:
        return (s.mT @ s / own - t.mT @ t / teacher).pow(2).sum((1, 2)).mean()
    return _kernel(t, t) + _kernel(s, s) - 2 * _kernel(s, t)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """Mean over the batch and all pairs of channels of (a . b)^2."""
    return (x @ y.mT).pow(2).mean()


@spec
class NST(Joint):
    """Neuron selectivity transfer over all blocks."""

    beta: NonNegative = 50.0
    """Weight of the sum over blocks."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Matched(pair.shapes.features, teacher_shapes.features)

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        return idle_points(pair, "selectivity", self.beta)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Matched) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        levels = [loss(context.own.features[s], context.teacher.features[t]) for s, t in extras.pairs]
        return terms | {"selectivity": self.beta * torch.stack(levels).sum()}
