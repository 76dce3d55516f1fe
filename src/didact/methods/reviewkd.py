"""ReviewKD: knowledge review across stages.

Chen, Liu, Zhao, Jia: Distilling Knowledge via Knowledge Review (CVPR 2021),
https://arxiv.org/abs/2104.09044

    x_i = norm(conv1x1(s_i)), to the middle width
    y   = x_(i+1), the fused map of the next deeper stage, nearest neighbour to the size of x_i
    a   = sigmoid(conv1x1([x_i, y])), two channels
    x_i = x_i a_0 + y a_1    (not at the deepest stage), nearest neighbour to the size of t_i
    r_i = norm(conv3x3(x_i)), to the channels of t_i
    d_i = (MSE(r_i, t_i) + sum_l w_l MSE(pool_l(r_i), pool_l(t_i))) / (1 + sum_l w_l)
    L   = gamma CE + alpha KD + beta min((epoch + 1) / (warmup epochs), 1) sum over stages of d_i

l = 4, 2, 1 are the sizes below the map's own, w = 1/2, 1/4, 1/8 in the order used, pool_l is
adaptive average pooling, epochs count from 0. The stages are the blocks and, as the deepest, the
pooled vector as a 1x1 map; s are the features, t the values before activation. The middle width is
that of the student's pooled vector, at most 512.

Defaults are mdistiller's: beta 1 (its configuration for resnet32x4 -> resnet8x4 has 5), and a
linear warm-up over 20 of 240 epochs, counted from 1 (the authors' code counts from 0). On the
student's side the authors and mdistiller take the features on CIFAR-100, mdistiller the values
before activation on ImageNet (``preact``); the pooled vector and the teacher's side are the same in
both. The KD term is an option of the authors' code too (weight 1).

If the numbers of blocks differ, each of the student's blocks is given the teacher's of the
nearest resolution, so two of them may meet the same. A stage of a single value a channel (one
image, pooled) is normalised by the running statistics.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from didact.losses import in_float32, task
from didact.method import Joint, Pair, Parallel, StepContext
from didact.nets.adapt import match
from didact.spec import NonNegative, spec
from didact.tensors import Feature, Needs, Outputs, Scalar, TeacherFeature, maps


@in_float32
def loss(fs: Feature, ft: TeacherFeature) -> Scalar:
    """HCL of one stage: mean squared error of the maps and of their average-pooled versions,
    weighted. Shapes must agree."""
    maps(fs, ft)
    if fs.shape != ft.shape:
        raise ValueError(f"a target of {tuple(ft.shape)} for a feature of {tuple(fs.shape)}: put a fusion between them")
    apart = pooled = fs - ft  # pooling is linear: the difference of pooled maps is the pooled difference
    nested = all(n % 4 == 0 for n in fs.shape[2:])  # then equal windows are made of equal windows, and pooling goes on
    total, weight, weights = apart.pow(2).mean(), 1.0, 1.0
    for size in (4, 2, 1):
        if size < min(fs.shape[2:]):
            weight /= 2
            weights += weight
            pooled = F.adaptive_avg_pool2d(pooled if nested else apart, size)
            total = total + weight * pooled.pow(2).mean()
    return total / weights


@spec
class ReviewKD(Joint):
    """Knowledge review: deeper stages of the student are fused into shallower ones before each
    meets the teacher's."""

    beta: NonNegative = 1.0
    """Weight of the sum over stages; mdistiller has 5 for resnet32x4 -> resnet8x4."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 1 / 12
    """Share of the epochs over which beta rises linearly to its value; 0: none (20 of 240
    epochs)."""
    preact: bool = False
    """Whether the student's side is the values before activation, as in mdistiller's ImageNet
    configuration."""

    @property
    def needs(self) -> Needs:
        return self.reading("pooled preacts" if self.preact else "pooled features", teacher="pooled preacts")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        pairs = match(pair.shapes.features, teacher_shapes.features)
        sources = [shape[0] for shape in (*pair.shapes.features, pair.shapes.pooled)]
        targets = [shape[0] for shape in (*(teacher_shapes.features[t] for _, t in pairs), teacher_shapes.pooled)]
        return Review(sources, targets, tuple(t for _, t in pairs))

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Review) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        maps = context.teacher.preacts
        targets = [*(maps[t] for t in extras.partners), _map(context.teacher)]
        reviewed = extras([*(context.own.preacts if self.preact else context.own.features), _map(context.own)], targets)
        stages = [loss(fs, ft) for fs, ft in zip(reviewed, targets, strict=True)]
        return terms | {"review": self.beta * context.clock.warmup(self.warmup) * torch.stack(stages).sum()}


def _map(shown: Outputs) -> Tensor:
    """The pooled vector as a 1x1 map."""
    assert shown.pooled is not None
    return shown.pooled[:, :, None, None]


class Review(nn.Module):
    """A fusion for every stage, shallow to deep.

    Args:
        sources, targets: channels of the student's and the teacher's stages, the pooled vectors
            last.
        partners: for each of the student's blocks the teacher's, counted from 0.
    """

    def __init__(self, sources: list[int], targets: list[int], partners: tuple[int, ...]) -> None:
        super().__init__()
        self.partners = partners
        middle = min(512, sources[-1])
        ends = [*zip(sources, targets, strict=True)]
        self.fusions = nn.ModuleList(Fusion(s, middle, t, fuse=i < len(ends) - 1) for i, (s, t) in enumerate(ends))

    def forward(self, stages: list[Tensor], targets: list[Tensor]) -> list[Tensor]:
        """What is compared with each of ``targets``, whose sizes it has."""
        deeper: Tensor | None = None
        reviewed = []
        for fusion, x, target in reversed(list(zip(self.fusions, stages, targets, strict=True))):
            out, deeper = fusion(x, deeper, target.shape[2:])
            reviewed.append(out)
        return reviewed[::-1]


class Fusion(nn.Module):
    """Attention-based fusion of a stage with the deeper ones.

    Args:
        source, middle, target: channels of the stage, of what is fused, and of the teacher's stage.
        fuse: False for the deepest stage, which has nothing to be fused with.
    """

    def __init__(self, source: int, middle: int, target: int, *, fuse: bool) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(source, middle, 1, bias=False), Norm(middle))
        self.attention = Attention(middle) if fuse else None
        self.leave = nn.Sequential(nn.Conv2d(middle, target, 3, padding=1, bias=False), Norm(target))
        for part in (self.enter, self.leave):
            nn.init.kaiming_uniform_(part[0].weight, a=1)  # type: ignore[arg-type]

    def forward(self, x: Tensor, deeper: Tensor | None, size: torch.Size) -> tuple[Tensor, Tensor]:
        """(what meets the teacher's stage, what goes on to the next shallower one), both of
        ``size``."""
        x = self.enter(x)
        if self.attention is not None:
            assert deeper is not None
            own, other = self.attention(x, deeper).chunk(2, dim=1)
            x = torch.addcmul(x * own, _nearest(deeper, x.shape[2:]), other)
        x = _nearest(x, size)
        return self.leave(x), x


class Attention(nn.Module):
    """Two weights in (0, 1) for every position, (b, 2, h, w): for the stage, and for the deeper
    map.

    One 1x1 convolution of both maps side by side, done on each by itself: on the deeper map, which
    mostly is smaller, before that is enlarged, which gives the same.
    """

    def __init__(self, middle: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2 * middle, 2, 1)

    def forward(self, x: Tensor, deeper: Tensor) -> Tensor:
        own, other = self.conv.weight.chunk(2, dim=1)
        return torch.sigmoid(F.conv2d(x, own, self.conv.bias) + _nearest(F.conv2d(deeper, other), x.shape[2:]))


def _nearest(x: Tensor, size: torch.Size) -> Tensor:
    return x if x.shape[2:] == size else F.interpolate(x, size, mode="nearest")


class Norm(nn.BatchNorm2d):
    """A batch norm that takes a single value a channel: it has no variance, so the running
    statistics serve."""

    def forward(self, input: Tensor) -> Tensor:
        if self.training and input.numel() == input.shape[1]:
            return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(input)
