"""SimKD: the teacher's classifier reused.

Chen, Mei, Zhang, Wang, Feng, Chen: Knowledge Distillation with the Reused Teacher Classifier (CVPR
2022), https://arxiv.org/abs/2203.14001

    L    = beta mean((P(fs) - ft)^2)
    z(x) = the teacher's head on P(fs(x))

P is the projector on the student's last feature: 1x1 convolution to 1/f of the teacher's channels,
3x3, 1x1 to the teacher's channels, each with batch norm and ReLU. This is the only loss: labels and
logits are not used, the student's own head is not trained. Deployed are the student's blocks, the
projector and the teacher's frozen head. Defaults are the authors': f = 2, convolutions without
bias. Where the teacher's last feature is not activated (WRN, MobileNetV2) the last ReLU is left
out, and the teacher's whole head is reused (entry norm, last convolution); the authors reuse the
classifier. Of maps of unequal size the larger is average-pooled: the student's before the
projector, the teacher's as the target.

The other settings are from a study of variants (resnet32x4 -> MobileNetV2 of full width, where its
plain SimKD has 75.43 %): a second projector two thirds into the student, with biases
(``simkd+two``, 75.52); one after every block (``simkd+all``, 53.23, with KL 72.6); only samples
that the teacher has right (``simkd+gated``, 75.41); KL for the loss (``simkd+kl``, which it found
unstable). Each projector leads to the teacher's block of the nearest resolution, the last one
always to the last block; their losses are summed and only the last is deployed. The study does not
say over what its KL runs. Here it is KL(softmax(ft) || softmax(P(fs))) over the channels at each
position, averaged over positions and batch. That leaves a shift of all channels at a position free,
which the head does not ignore: a possible reason for the instability.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import divergences, in_float32, pool_alike
from didact.method import Method, MetricsContext, Pair, Parallel, SoftLabels, Stage, StepContext
from didact.nets.adapt import Frozen, match
from didact.nets.blocks import Block, BlockNet, Head, Shape, join
from didact.spec import NonNegative, check_word, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature, reads

Kind = Literal["l2", "kl"]
Projectors = Literal["last", "two", "all"]


@in_float32
def loss(projected: Feature, ft: TeacherFeature, counted: Tensor | None = None, *, kind: Kind = "l2") -> Scalar:
    """How far the projected map is from the teacher's; the larger of two maps is adaptively
    average-pooled.

    Args:
        projected, ft: maps of as many channels.
        counted: (b,), which samples count, of whose losses the mean is taken; 0 where none does.
            None: all count.
        kind: "l2", the mean squared error over all elements; "kl", KL(teacher || student) between
            the softmaxes over the channels, mean over positions.
    """
    if projected.shape[1] != ft.shape[1]:
        raise ValueError(f"{projected.shape[1]} channels are to meet {ft.shape[1]}: put a projector between them")
    check_word("kind", kind, get_args(Kind))
    fs, ft = pool_alike(projected, ft)
    if kind == "l2":
        each = (fs - ft).pow(2).mean((1, 2, 3))
    else:
        log_q, log_p = F.log_softmax(fs, dim=1), F.log_softmax(ft, dim=1)
        each = divergences(log_p, log_q).sum(1).mean((1, 2))
    if counted is None:
        return each.mean()
    return torch.where(counted, each, 0).sum() / counted.sum().clamp(min=1)


@spec
class SimKD(Method):
    """The student's feature is projected onto the teacher's and classified by the teacher's
    head."""

    presets: ClassVar = {
        "two": {"projectors": "two", "bias": True},
        "all": {"projectors": "all"},
        "gated": {"gated": True},
        "kl": {"kind": "kl"},
    }

    beta: NonNegative = 1.0
    """Weight of the loss, the only one."""
    reduction: Literal[2, 4, 8] = 2
    """The factor f by which the projector's inner layers are narrower than the teacher's
    feature."""
    kind: Kind = "l2"
    """The mean squared error, or KL between softmaxes over the channels."""
    projectors: Projectors = "last"
    """After the last block; also one two thirds into the student; or after every block."""
    bias: bool = False
    """Whether the projectors' convolutions have biases."""
    gated: bool = False
    """Whether only samples count that the teacher classifies correctly."""

    @property
    def needs(self) -> Needs:
        return reads("features", teacher="logits features" if self.gated else "features")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage(moves=("net.stem.", "net.blocks.", "extras.projectors.")),)

    def soft_labels(self) -> SoftLabels:
        return "smoothed" if self.gated else "mixed"  # the gate asks whether the teacher is right

    def parallel(self) -> Parallel:
        return "outputs" if self.gated else "images"  # the gate counts the images that it lets through

    def build(self, pair: Pair) -> nn.Module:
        teacher, teacher_shapes = pair.with_teacher()
        assert isinstance(teacher.head, Head)
        sources, targets = pair.shapes.features, teacher_shapes.features
        pairs = [*match(sources, targets)[:-1], (len(sources) - 1, len(targets) - 1)]
        kept = tuple(pairs[i] for i in self.projected(len(sources)))
        blocks = list(teacher)
        made = [
            Projector(sources[s], targets[t], self.reduction, self.bias, activate=_activated(blocks[t])) for s, t in kept
        ]
        return Reused(kept, made, teacher.head)

    def projected(self, blocks: int) -> list[int]:
        """The student's blocks, counted from 0, that have a projector."""
        last = blocks - 1
        if self.projectors == "all":
            return list(range(blocks))
        # a network of a single block has no place for a second one
        early = min(round(2 / 3 * blocks), last) - 1
        return [early, last] if self.projectors == "two" and early >= 0 else [last]

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Reused) and context.teacher is not None
        counted = None
        if self.gated:
            assert context.teacher.logits is not None
            counted = context.teacher.logits.argmax(1) == context.batch.labels
        each = [
            loss(projector(context.own.features[s]), context.teacher.features[t], counted, kind=self.kind)
            for projector, (s, t) in zip(extras.projectors, extras.pairs, strict=True)
        ]
        return {"feature": self.beta * sum(each[1:], each[0])}

    def deployed(self, extras: nn.Module, net: BlockNet) -> BlockNet:
        assert isinstance(extras, Reused)
        last = extras.projectors[-1]
        assert isinstance(last, Projector)
        return join(net.slice(0, len(net)), last, BlockNet(None, (), extras.head.part))

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        """None: the student's own head is not trained, and the deployed logits would cost a second
        run of the projector."""
        return {}


def _activated(block: nn.Module) -> bool:
    return not isinstance(getattr(block, "act", None), nn.Identity)


class Reused(nn.Module):
    """The projectors, and the teacher's head.

    Args:
        pairs: for each projector the student's and the teacher's block, counted from 0.
        projectors: in the order of ``pairs``.
        head: the teacher's; a frozen copy is kept.
    """

    def __init__(self, pairs: tuple[tuple[int, int], ...], projectors: list[Projector], head: Head) -> None:
        super().__init__()
        self.pairs = pairs
        self.projectors = nn.ModuleList(projectors)
        self.head = Frozen(head)


class Projector(Block):
    """From a student's feature to a teacher's: 1x1, 3x3 and 1x1 convolutions, each with batch norm
    and ReLU.

    Args:
        source, target: (c, h, w) of the two; a source that is larger is average-pooled to the
            target's size.
        reduction: by how much the inner layers are narrower than the target.
        bias: whether the convolutions have one.
        activate: whether the last ReLU follows.
    """

    def __init__(self, source: Shape, target: Shape, reduction: int, bias: bool, *, activate: bool) -> None:
        inner = max(1, target[0] // reduction)
        size = (min(source[1], target[1]), min(source[2], target[2]))
        layers: list[nn.Module] = [] if size == tuple(source[1:]) else [nn.AdaptiveAvgPool2d(size)]
        for i, (given, wide, kernel) in enumerate([(source[0], inner, 1), (inner, inner, 3), (inner, target[0], 1)]):
            layers += [*([nn.ReLU()] if i else []), nn.Conv2d(given, wide, kernel, padding=kernel // 2, bias=bias)]
            layers.append(nn.BatchNorm2d(wide))
        super().__init__(nn.Sequential(*layers), nn.ReLU() if activate else None)
