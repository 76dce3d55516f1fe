"""SFTN: the student-friendly teacher network.

Park, Cha, Jeong, Kim, Han: Learning Student-Friendly Teacher Networks for Knowledge Distillation
(NeurIPS 2021), https://arxiv.org/abs/2102.07650

After every block of the teacher but the last, there is a branch: a transform layer T^i to the shape
of the student's feature, then the student's remaining blocks and its classifier. Teacher and
branches are trained together; the branches are then dropped.

    L      = lambda_T L_T + lambda_KL L_KL + lambda_CE L_CE                    (Eq. 3)
    L_T    = CE(q_T, y)                                                        (Eq. 4)
    L_KL   = 1 / (N - 1) sum_i KL(q_R^i || q_T)                                (Eq. 5)
    L_CE   = 1 / (N - 1) sum_i CE(q_R^i, y)                                    (Eq. 6)

lambda_T 1, lambda_KL 3 (1 on ImageNet), lambda_CE 1, tau 1. As in Eq. 5, gradients flow through
both sides of the KL; this draws the teacher towards functions that its students can express. The
cross entropies use temperature 1.

Not in the paper, as options: the reverse direction KL(q_T || q_R), the factor tau^2, and a linear
warm-up of the branch terms. Networks with different numbers of blocks are matched by resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field
from torch import Tensor, nn

from didact import nets
from didact.losses import cross_entropy, softened_kl
from didact.method import ForStudent, MetricsContext, Pair, Parallel, SoftLabels, StepContext
from didact.nets.adapt import Transform, match
from didact.nets.blocks import BlockNet
from didact.spec import NonNegative, Positive, check_word, spec
from didact.tensors import Logits, Needs, Scalar, Targets, reads

Direction = Literal["branch||teacher", "teacher||branch"]


def terms(
    zt: Logits,
    branches: Sequence[Logits],
    labels: Targets,
    *,
    teacher_weight: float = 1.0,
    kl_weight: float = 3.0,
    ce_weight: float = 1.0,
    temperature: float = 1.0,
    direction: Direction = "branch||teacher",
    squared: bool = False,
) -> dict[str, Tensor]:
    """The three weighted terms of Eq. 3, by name; means over batch and branches. ``squared`` puts
    tau^2 before the KL.

    Raises:
        ValueError: no branches, logits of several shapes, or another direction.
    """
    if not branches:
        raise ValueError("branches: logits of one branch at least, found none")
    check_word("direction", direction, get_args(Direction))
    scale = kl_weight * (temperature**2 if squared else 1.0) / len(branches)
    kl = [
        softened_kl(zr, zt, temperature) if direction == "branch||teacher" else softened_kl(zt, zr, temperature)
        for zr in branches
    ]
    ce = [cross_entropy(zr, labels) for zr in branches]
    return {
        "teacher_ce": teacher_weight * cross_entropy(zt, labels),
        "branch_kl": scale * sum(kl[1:], kl[0]),
        "branch_ce": ce_weight / len(branches) * sum(ce[1:], ce[0]),
    }


def loss(
    zt: Logits,
    branches: Sequence[Logits],
    labels: Targets,
    teacher_weight: float = 1.0,
    kl_weight: float = 3.0,
    ce_weight: float = 1.0,
    temperature: float = 1.0,
    direction: Direction = "branch||teacher",
    squared: bool = False,
) -> Scalar:
    """Eq. 3: lambda_T CE(q_T, y) + lambda_KL mean_i KL(q_R^i || q_T) + lambda_CE mean_i CE(q_R^i,
    y)."""
    parts = terms(
        zt,
        branches,
        labels,
        teacher_weight=teacher_weight,
        kl_weight=kl_weight,
        ce_weight=ce_weight,
        temperature=temperature,
        direction=direction,
        squared=squared,
    )
    return parts["teacher_ce"] + parts["branch_kl"] + parts["branch_ce"]


@spec
class SFTN(ForStudent):
    """A method on the teacher: it is trained jointly with branches of its student."""

    branch_part: ClassVar = "branches.0.net"

    teacher_weight: NonNegative = 1.0
    """lambda_T."""
    kl_weight: NonNegative = 3.0
    """lambda_R^KL: 3 for CIFAR-100, 1 for ImageNet in the paper."""
    ce_weight: NonNegative = 1.0
    """lambda_R^CE."""
    temperature: Positive = 1.0
    """tau of Eq. 1 and 2."""
    direction: Direction = "branch||teacher"
    """Direction of the KL divergence; branch||teacher in Eq. 5."""
    squared: bool = False
    """Whether the KL term has the factor tau^2."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the training over which the weights of both branch terms rise linearly from 0."""

    @property
    def needs(self) -> Needs:
        return reads("logits features")

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def parallel(self) -> Parallel:
        return "images"

    def on_host(self) -> str:
        return "the weights of its branches rise from step to step" if self.warmup else ""

    def build(self, pair: Pair) -> nn.Module:
        if len(pair.shapes.features) < 2:
            raise ValueError("SFTN puts branches after every block but the last; this teacher has a single block")
        return Branches(self.student, pair)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Branches) and context.own.logits is not None
        rise = 1.0 if self.warmup == 0 else min(1.0, context.clock.progress() / self.warmup)
        return terms(
            context.own.logits,
            extras(context.own.features),
            context.batch.targets,
            teacher_weight=self.teacher_weight,
            kl_weight=rise * self.kl_weight,
            ce_weight=rise * self.ce_weight,
            temperature=self.temperature,
            direction=self.direction,
            squared=self.squared,
        )

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        """On held-out images each branch's accuracy."""
        assert isinstance(extras, Branches)
        if context.moment != "test":
            return super().metrics(extras, context)
        return {f"branch{i}": logits for i, logits in enumerate(extras(context.own.features), 1)}


class Branch(nn.Module):
    """A transform layer and the student's remaining blocks with its head.

    ``net`` has the student's block names, so its weights can initialise a student
    (``branches.0.net``).
    """

    def __init__(self, transform: nn.Module, net: BlockNet) -> None:
        super().__init__()
        self.transform = transform
        self.net = net

    def forward(self, feature: Tensor) -> Logits:
        return self.net.run(self.transform(feature))


class Branches(nn.Module):
    """Student branches after each block of the teacher but the last, with separate weights (Table
    12)."""

    def __init__(self, student: str, pair: Pair) -> None:
        super().__init__()
        shapes = nets.create(student, pair.classes, *pair.image[:2]).shapes(pair.image).features
        if len(shapes) < 2:
            raise ValueError(f"a branch needs a student of at least two blocks; {student} has {len(shapes)}")
        self.branches = nn.ModuleList()
        for block, entry in match(pair.shapes.features, shapes)[:-1]:
            entry = min(entry, len(shapes) - 2)  # a branch keeps at least the student's last block
            net = nets.create(student, pair.classes, *pair.image[:2]).slice(entry + 1)
            self.branches.append(Branch(Transform(pair.shapes.features[block], shapes[entry]), net))

    def forward(self, features: Sequence[Tensor]) -> list[Logits]:
        return [branch(feature) for branch, feature in zip(self.branches, features, strict=False)]
