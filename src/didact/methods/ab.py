"""AB: activation boundaries.

Heo, Lee, Yun, Choi: Knowledge Transfer via Distillation of Activation Boundaries Formed by Hidden
Neurons (AAAI 2019), https://arxiv.org/abs/1811.03233

    l(s, t) = max(0, m + s)^2 where t <= 0, max(0, m - s)^2 where t > 0
    init: L = beta 3 / 1000 sum over levels i = 1..n of
              2^(i - n) (1 / b) sum over all elements of l(r_i(fs_i), ft_i)
    then: L = gamma CE + alpha KD

fs, ft are the values before the last activation of each block, m the margin, r_i a connector. As in
RepDistiller the boundaries only initialise: a first stage, with an eighth of the recipe's epochs
and the recipe's constant learning rate, trains stem, blocks and connectors; the main stage no
longer uses the teacher, unless it adds KD. beta 1, m 1 and the factor 3 / 1000 are RepDistiller's
and the authors'. The authors' second stage is KD alone (T 3, without the factor T^2).

A connector is the identity if both shapes agree, else RepDistiller's regressor without ReLU.
Levels are paired in order, or by resolution if one side has more blocks. If the student's
map remains the smaller one, the teacher's is average-pooled before its sign is read;
neither paper nor code has such pairs.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from didact.losses import in_float32, pool_alike, task
from didact.method import Joint, Pair, Parallel, Stage, StepContext, initialising
from didact.nets.adapt import Regressor, match
from didact.nets.blocks import Shape
from didact.spec import Count, NonNegative, Positive, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature


@in_float32
def loss(fs: Feature, ft: TeacherFeature, margin: float = 1.0) -> Scalar:
    """One level, before activation: summed over all elements, divided by the batch size, without
    weights.

    A teacher's zero counts as not active. The larger of two maps is adaptively average-pooled;
    channels must agree.
    """
    if fs.shape[1] != ft.shape[1]:
        raise ValueError(
            f"boundaries of {ft.shape[1]} channels for a feature of {fs.shape[1]}: put a connector between them"
        )
    fs, ft = pool_alike(fs, ft)
    return torch.where(ft > 0, margin - fs, margin + fs).relu().square().sum() / len(fs)


@spec
class AB(Joint):
    """Initialisation by the activation boundaries of the teacher's hidden neurons."""

    beta: NonNegative = 1.0
    """Weight of the boundaries, in addition to 3 / 1000 (first stage)."""
    margin: Positive = 1.0
    """How far beyond the boundary the student's value is driven."""
    init_epochs: Count | None = None
    """Length of the first stage; None is an eighth of the recipe's epochs (RepDistiller:
    30 before 240)."""
    connector: Literal["repdistiller", "authors"] = "repdistiller"
    """Between differing shapes: the regressor, or a 1x1 convolution with batch norm where the
    channels differ."""

    @model_validator(mode="after")
    def _learns(self) -> AB:
        if not (self.gamma or self.alpha):
            raise ValueError("gamma and alpha are both 0, which leaves nothing to learn from in the main stage")
        return self

    @property
    def needs(self) -> Needs:
        return self.reading("preacts")

    def stages(self) -> tuple[Stage, ...]:
        return initialising(self.init_epochs, "preacts", self.alpha)

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Connectors(pair.shapes.features, teacher_shapes.features, self.connector)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        if context.clock.stage != "init":
            return task(self, context.own, context.teacher, context.batch.targets)
        assert isinstance(extras, Connectors) and context.teacher is not None
        levels: list[Tensor] = []
        for (s, t), connect in zip(extras.pairs, extras.connect, strict=True):
            level = loss(connect(context.own.preacts[s]), context.teacher.preacts[t], self.margin)
            levels.append(2.0 ** (s + 1 - len(extras.pairs)) * level)
        return {"boundary": self.beta * 3 / 1000 * sum(levels[1:], levels[0])}


class Connectors(nn.Module):
    """Pairs of blocks of teacher and student, counted
    from 0, and adapters of the student's maps."""

    def __init__(self, own: tuple[Shape, ...], other: tuple[Shape, ...], kind: str) -> None:
        super().__init__()
        self.pairs = match(own, other)
        self.connect = nn.ModuleList(_connector(own[s], other[t], kind) for s, t in self.pairs)


def _connector(source: Shape, target: Shape, kind: str) -> nn.Module:
    if source == target:
        return nn.Identity()
    if kind == "repdistiller":
        return Regressor(source, target, activate=False)
    if source[0] == target[0]:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(source[0], target[0], 1, bias=False), nn.BatchNorm2d(target[0]))
