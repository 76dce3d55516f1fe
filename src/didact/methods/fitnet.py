"""FitNets: a hint from an intermediate feature.

Romero, Ballas, Kahou, Chassang, Gatta, Bengio: FitNets: Hints for Thin Deep Nets (ICLR 2015),
https://arxiv.org/abs/1412.6550

    L = gamma CE + alpha KD + beta mean((r(fs) - ft)^2)

r is a convolutional regressor (convolution, batch norm, ReLU) from the student's map to the
teacher's. The defaults are RepDistiller's: beta 100 after block 2, trained together with the
labels; the paper trains the hint first, as a stage. Where student and teacher have different
numbers of blocks, the teacher's block is the one of the nearest resolution. A student map smaller
than the teacher's by another factor than two is met by pooling the teacher's (the SimKD code's
rule).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import in_float32, pool_alike, task
from didact.method import Joint, Pair, Parallel, StepContext
from didact.nets.adapt import Regressor, match
from didact.spec import Count, NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature


@in_float32
def loss(fs: Feature, ft: TeacherFeature) -> Scalar:
    """Mean over all elements of (fs - ft)^2. The larger of two maps is adaptively average-pooled;
    channels must agree."""
    if fs.shape[1] != ft.shape[1]:
        raise ValueError(f"hint of {ft.shape[1]} channels for a feature of {fs.shape[1]}: put a regressor between them")
    return F.mse_loss(*pool_alike(fs, ft))


@spec
class FitNet(Joint):
    """Hint learning through a convolutional regressor."""

    beta: NonNegative = 100.0
    """Weight of the hint."""
    hint: Count = 2
    """The guided block of the student, counted from 1."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        if self.hint > len(pair.shapes.features):
            raise ValueError(f"hint after block {self.hint}, but the network has {len(pair.shapes.features)} blocks")
        guide = match(pair.shapes.features, teacher_shapes.features)[self.hint - 1][1]
        return Hint(pair.shapes.features[self.hint - 1], teacher_shapes.features[guide], guide)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Hint) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        guided = extras.regressor(context.own.features[self.hint - 1])
        return terms | {"hint": self.beta * loss(guided, context.teacher.features[extras.guide])}


class Hint(nn.Module):
    """The regressor from the guided student feature to the teacher's block ``guide`` (counted from
    0)."""

    def __init__(self, source: tuple[int, ...], target: tuple[int, ...], guide: int) -> None:
        super().__init__()
        self.regressor = Regressor(source, target)
        self.guide = guide
