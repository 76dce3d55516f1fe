"""VID: variational information distillation.

Ahn, Hu, Damianou, Lawrence, Dai: Variational Information Distillation for Knowledge Transfer (CVPR
2019), https://arxiv.org/abs/1904.05835

    m_l   = r_l(fs_l)
    v_l,c = log(1 + exp(a_l,c)) + 1e-5
    L     = gamma CE + alpha KD
            + beta sum over blocks l of mean(((m_l - ft_l)^2 / v_l + log v_l) / 2)

The loss is the negative log-likelihood of the teacher's feature under a Gaussian. Its mean m is
computed from the student's feature; its variance v is learnt, one for every channel of the teacher.
The constant log(2 pi) / 2 is left out. The mean is over batch, channels and positions, as in
RepDistiller (the paper sums). r is RepDistiller's: three 1x1 convolutions without bias, each as
wide as the teacher's feature, ReLU between them. Variances begin at 5; beta 1 is RepDistiller's.

Regressors and variances are trained with the student (mdistiller never trains the variances). The
larger of two maps of unequal size is adaptively average-pooled, the student's before the
regressor. Blocks are paired index by index, or by resolution if their numbers differ.
"""

from __future__ import annotations

from math import expm1, log

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import in_float32, per_channel, pool_alike, task
from didact.method import Joint, Pair, Parallel, StepContext
from didact.nets.adapt import match
from didact.nets.blocks import Shape
from didact.spec import NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature

FIRST_VARIANCE, LEAST_VARIANCE = 5.0, 1e-5


@in_float32
def loss(mean: Feature, ft: TeacherFeature, variance: Tensor) -> Scalar:
    """One level: mean over all elements of ((mean - ft)^2 / variance + log variance) / 2.

    Args:
        mean, ft: what is predicted and the teacher's map, of as many channels; the larger one is
            adaptively average-pooled.
        variance: (c,), positive; (c, 1, 1) and (1, c, 1, 1) are the same.
    """
    if mean.shape[1] != ft.shape[1]:
        raise ValueError(f"a mean of {mean.shape[1]} channels for a feature of {ft.shape[1]}: put a regressor before it")
    mean, ft = pool_alike(mean, ft)
    variance = per_channel(variance, ft)
    error = (mean - ft).pow(2).mean((0, 2, 3))  # by channel: what follows is the same for all its elements
    return (error / variance + variance.log()).mean() / 2


@spec
class VID(Joint):
    """Variational information distillation over all blocks."""

    beta: NonNegative = 1.0
    """Weight of the sum over blocks."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        sources, targets = pair.shapes.features, teacher_shapes.features
        return nn.ModuleList(Level(sources[s], targets[t], t) for s, t in match(sources, targets))

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, nn.ModuleList) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        found = [level(fs, context.teacher.features) for level, fs in zip(extras, context.own.features, strict=True)]
        return terms | {"vid": self.beta * torch.stack(found).sum()}


class Level(nn.Module):
    """One block's regressor and variances, towards the teacher's block ``guide`` (counted from
    0)."""

    def __init__(self, source: Shape, target: Shape, guide: int) -> None:
        super().__init__()
        (channels, *size), (wide, *wanted) = source, target
        self.size = (min(size[0], wanted[0]), min(size[1], wanted[1]))
        self.guide = guide
        self.regressor = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 1, bias=False),
        )
        self.log_scale = nn.Parameter(torch.full((wide,), log(expm1(FIRST_VARIANCE - LEAST_VARIANCE))))

    def variance(self) -> Tensor:
        """The variance of each channel, (c,)."""
        return LEAST_VARIANCE - F.logsigmoid(-self.log_scale)  # log(1 + exp(a)) that does not overflow

    def forward(self, fs: Feature, teacher: tuple[Tensor, ...]) -> Tensor:
        small = fs if fs.shape[2:] == self.size else F.adaptive_avg_pool2d(fs, self.size)
        return loss(self.regressor(small), teacher[self.guide], self.variance())
