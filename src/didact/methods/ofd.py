"""OH: overhaul of feature distillation.

Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation (ICCV 2019),
https://arxiv.org/abs/1904.01866

    m  = E[x | x < 0] for x ~ N(b, w^2), per channel; -3 |w| where P(x < 0) <= 0.001
    t' = max(t, m)
    d  = sum over elements of (r(s) - t')^2 where r(s) > t' or t' > 0, divided by the batch size
    L  = gamma CE + alpha KD + beta sum over blocks i = 0 .. n-1 of d_i / 2^(n-1-i)

s and t are the values before activation of student and teacher, w and b the scale and shift of the
teacher's batch norm that gives t (of a residual sum: the branch's, as in the authors' code), r a
1x1 convolution without bias and a batch norm. Where no batch norm gives t, m is the running mean of
the channel's negative values, as the authors advise. beta 1e-3 is the authors' division by 1000 for
32x32 images, and mdistiller's weight; they advise 1e-4 for 224x224.

The authors leave the teacher in train mode on purpose (its batch norms use batch statistics, and
their running statistics move) and report that as better. Here a teacher is frozen and in eval mode,
as for every other method. The larger of two maps of unequal size is adaptively average-pooled
(mdistiller pools the teacher's). Blocks are paired index by index, or by resolution if their
numbers differ; the weights follow the student's blocks.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from didact.losses import in_float32, per_channel, pool_alike, task
from didact.method import Joint, Pair, Parallel, StepContext
from didact.nets.adapt import match
from didact.nets.blocks import Shape
from didact.nets.layers import normal
from didact.nets.norms import last_norm
from didact.spec import NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature


@in_float32
def loss(fs: Feature, ft: TeacherFeature, margin: Tensor) -> Scalar:
    """One block: sum of (fs - t')^2 where fs > t' or t' > 0, t' = max(ft, margin), divided by the
    batch size.

    Args:
        fs, ft: values before activation, of as many channels; the larger map is adaptively
            average-pooled.
        margin: (c,), not positive; (c, 1, 1) and (1, c, 1, 1) are the same.
    """
    if fs.shape[1] != ft.shape[1]:
        raise ValueError(f"a target of {ft.shape[1]} channels for a feature of {fs.shape[1]}: put a connector between them")
    fs, ft = pool_alike(fs, ft)
    target = torch.maximum(ft, per_channel(margin, ft)[:, None, None])
    counted = ~((fs <= target) & (target <= 0))  # NaN counts, so that it is not hidden
    return torch.where(counted, fs - target, 0).pow(2).sum() / len(fs)


@in_float32
def margin(weight: Tensor, bias: Tensor) -> Tensor:
    """The mean of the negative values of a channel with this scale and shift, each (c,).

    Computed in float64. A channel of scale 0 gets the limit, min(bias, 0).
    """
    if weight.is_meta:
        return weight.new_empty(weight.shape)  # nothing to compute, and torch takes seconds to begin with it
    sd = weight.abs().double()
    z = bias.double() / sd.clamp(min=torch.finfo(torch.float64).tiny)
    below = torch.special.ndtr(-z)
    density = torch.exp(-z.square() / 2) / sqrt(2 * torch.pi)
    return torch.where(below > 0.001, bias - sd * density / below, -3 * sd).to(weight.dtype)


@spec
class OFD(Joint):
    """Overhaul of feature distillation over all blocks, before activation."""

    beta: NonNegative = 1e-3
    """Weight of the sum over blocks. It grows with the maps: 1e-3 for 32x32 images, 1e-4 for
    224x224."""

    @property
    def needs(self) -> Needs:
        return self.reading("preacts")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        teacher, teacher_shapes = pair.with_teacher()
        sources, targets = pair.shapes.features, teacher_shapes.features
        pairs = match(sources, targets)
        return nn.ModuleList(Level(sources[s], targets[t], t, last_norm(teacher, t)) for s, t in pairs)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, nn.ModuleList) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        levels = [level(s, context.teacher.preacts) for level, s in zip(extras, context.own.preacts, strict=True)]
        total = levels[-1]
        for depth, level in enumerate(reversed(levels[:-1]), 1):
            total = total + level / 2**depth
        return terms | {"overhaul": self.beta * total}


class Level(nn.Module):
    """The connector from one of the student's blocks to the teacher's block ``partner`` (from 0),
    and that block's margin.

    Args:
        source, target: shapes of the two features.
        partner: the teacher's block, counted from 0.
        norm: what gives the teacher's value before activation, where there is such a norm.
    """

    def __init__(self, source: Shape, target: Shape, partner: int, norm: nn.BatchNorm2d | None) -> None:
        super().__init__()
        self.partner = partner
        conv = nn.Conv2d(source[0], target[0], 1, bias=False)
        normal(conv.weight, sqrt(2 / target[0]))
        self.connector = nn.Sequential(conv, nn.BatchNorm2d(target[0]))
        self.margin = Negatives(target[0]) if norm is None else Known(margin(norm.weight.detach(), norm.bias.detach()))

    def forward(self, fs: Tensor, preacts: tuple[Tensor, ...]) -> Tensor:
        ft = preacts[self.partner]
        return loss(self.connector(fs), ft, self.margin(ft))


class Known(nn.Module):
    """A margin that the teacher's batch norm tells."""

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value, persistent=False)

    def forward(self, ft: Tensor) -> Tensor:
        return self.value


class Negatives(nn.Module):
    """The mean of all negative values that a channel has shown so far; 0 as long as there was
    none."""

    total: Tensor
    count: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(channels))
        self.register_buffer("count", torch.zeros(channels, dtype=torch.long))

    @torch.no_grad()
    def forward(self, ft: Tensor) -> Tensor:
        self.total += ft.float().clamp(max=0).sum((0, 2, 3))
        self.count += (ft < 0).sum((0, 2, 3))
        return self.total / self.count.clamp(min=1)
