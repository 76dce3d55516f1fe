"""FSP: flow of solution procedure.

Yim, Joo, Bae, Kim: A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and
Transfer Learning (CVPR 2017),
https://openaccess.thecvf.com/content_cvpr_2017/html/Yim_A_Gift_From_CVPR_2017_paper.html

    G[i, j] = mean over positions of lower_i upper_j,
              for channel i of one level and channel j of the next
    init: L = beta sum over successive levels of mean((G_s - G_t)^2)
    then: L = gamma CE + alpha KD

Levels are the stem and the features. The larger of the two maps of a network is adaptively
average-pooled. As in RepDistiller the flow only initialises: a first stage, with an eighth of the
recipe's epochs and the recipe's constant learning rate, trains stem and blocks (and adapters); the
main stage no longer uses the teacher, unless it adds KD. RepDistiller's script names the weight 50,
but its code applies it to nothing: the first stage runs with 1, and so does it here (with 50,
networks with raw sums as features, such as WRN, diverge). The paper sums over the entries. The kind
"torchdistill" is that code's definition: max pooling, and the L2 norm (not squared) over i of the
difference, summed over j and pairs, divided by the batch size.

The definition needs equal channels at every level. If they differ, a 1x1 convolution with batch
norm, trained in the first stage, leads the student's map to the teacher's (without norm the product
of two adapted maps diverges). If the numbers of blocks differ, stem belongs to stem and a block
to the teacher's block of its resolution. Of several student blocks that belong to one of the
teacher the last one stands for all, so that a flow always runs between two levels of each network,
and the last block is always among them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from didact.losses import in_float32, pool_alike, task
from didact.method import Joint, Pair, Parallel, Stage, StepContext, initialising
from didact.nets.adapt import match
from didact.nets.blocks import Shapes
from didact.spec import Count, NonNegative, check_word, spec
from didact.tensors import Feature, Needs, Outputs, Scalar, TeacherFeature, same_images

Maps = tuple[Tensor, Tensor]


@in_float32
def flow(lower: Feature, upper: TeacherFeature, peak: bool = False) -> Tensor:
    """Mean over positions of the products of their channels, (b, channels of lower, channels of
    upper).

    The larger of two maps is adaptively average-pooled; with ``peak`` max-pooled.
    """
    if peak:
        size = (min(lower.shape[2], upper.shape[2]), min(lower.shape[3], upper.shape[3]))
        lower, upper = F.adaptive_max_pool2d(lower, size), F.adaptive_max_pool2d(upper, size)
    else:
        lower, upper = pool_alike(lower, upper)
    return lower.flatten(2) @ upper.flatten(2).mT / lower[0, 0].numel()


@in_float32
def loss(fs_pair: Maps, ft_pair: Maps, kind: str = "repdistiller") -> Scalar:
    """One pair of successive levels, (lower, upper) of each network. Levels must agree in channels,
    not in sizes."""
    same_images(fs_pair[0], ft_pair[0])
    check_word("kind", kind, ("repdistiller", "torchdistill"))
    peak = kind == "torchdistill"
    own, other = flow(*fs_pair, peak), flow(*ft_pair, peak)
    if own.shape != other.shape:
        raise ValueError(f"flows must agree in channels, found {tuple(own.shape[1:])} and {tuple(other.shape[1:])}")
    difference = own - other
    return difference.norm(dim=1).sum() / len(own) if peak else difference.pow(2).mean()


@spec
class FSP(Joint):
    """Initialisation by the flow between successive levels."""

    beta: NonNegative = 1.0
    """Weight of the sum over pairs of levels (first stage)."""
    init_epochs: Count | None = None
    """Length of the first stage; None is an eighth of the recipe's epochs (RepDistiller:
    30 before 240)."""
    kind: Literal["repdistiller", "torchdistill"] = "repdistiller"
    """Average pooling and mean squared difference, or max pooling and norms of columns (which wants
    another beta)."""

    @model_validator(mode="after")
    def _learns(self) -> FSP:
        if not (self.gamma or self.alpha):
            raise ValueError("gamma and alpha are both 0, which leaves nothing to learn from in the main stage")
        return self

    @property
    def needs(self) -> Needs:
        return self.reading("stem features")

    def stages(self) -> tuple[Stage, ...]:
        return initialising(self.init_epochs, "stem features", self.alpha)

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Levels(pair.shapes, teacher_shapes)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        if context.clock.stage != "init":
            return task(self, context.own, context.teacher, context.batch.targets)
        assert isinstance(extras, Levels) and context.teacher is not None
        maps = zip(extras.own(context.own), extras.other(context.teacher), strict=True)
        flows = [loss((fs, above_s), (ft, above_t), self.kind) for (fs, ft), (above_s, above_t) in pairwise(maps)]
        return {"flow": self.beta * sum(flows[1:], flows[0])}


class Levels(nn.Module):
    """The levels that are compared, (own, teacher's): 0 is the stem, i the feature after block i;
    and their adapters."""

    def __init__(self, own: Shapes, other: Shapes) -> None:
        super().__init__()
        last = {
            t + 1: s + 1 for s, t in match(own.features, other.features)
        }  # by the teacher's level: the last one's stands
        self.pairs = ((0, 0), *((s, t) for t, s in last.items()))
        widths = [((own.stem, *own.features)[s][0], (other.stem, *other.features)[t][0]) for s, t in self.pairs]
        self.adapt = nn.ModuleList(_adapter(s, t) for s, t in widths)

    def own(self, shown: Outputs) -> list[Tensor]:
        """The student's map at every level, with the teacher's channels."""
        assert shown.stem is not None
        maps = (shown.stem, *shown.features)
        return [adapt(maps[s]) for (s, _), adapt in zip(self.pairs, self.adapt, strict=True)]

    def other(self, shown: Outputs) -> list[Tensor]:
        """The teacher's map at every level."""
        assert shown.stem is not None
        maps = (shown.stem, *shown.features)
        return [maps[t] for _, t in self.pairs]


def _adapter(source: int, target: int) -> nn.Module:
    if source == target:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(source, target, 1, bias=False), nn.BatchNorm2d(target))
