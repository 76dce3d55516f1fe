"""AT: attention transfer.

Zagoruyko, Komodakis: Paying More Attention to Attention (ICLR 2017),
https://arxiv.org/abs/1612.03928

    Q(f) = mean over channels of f^p, flattened, divided by its L2 norm
    L    = gamma CE + alpha KD + beta sum over blocks of mean((Q(fs) - Q(ft))^2)

As in the authors' code and RepDistiller, the squared difference is averaged over batch and
positions (the paper writes the norm, not squared). The larger of two maps is adaptively
average-pooled before it is squared. beta 1000 is RepDistiller's. Blocks are paired index by index,
or by resolution if their numbers differ. Maps of a single position have no attention to transfer: Q
is 1 for every image.
"""

from __future__ import annotations

from torch import Tensor, nn

from didact.losses import attention_map, in_float32, pool_alike, task
from didact.method import Idle, Joint, Pair, Parallel, StepContext, idle_points
from didact.nets.adapt import Matched
from didact.spec import Count, NonNegative, spec
from didact.tensors import Feature, Needs, Scalar, TeacherFeature


@in_float32
def loss(fs: Feature, ft: TeacherFeature, power: int = 2) -> Scalar:
    """One level: mean over batch and positions of the squared difference of the normalised
    attention maps.

    An all-zero map counts as zero, with zero gradient. Channels may differ.
    """
    fs, ft = pool_alike(fs, ft)
    return (attention_map(fs, power) - attention_map(ft, power)).pow(2).mean()


@spec
class AT(Joint):
    """Attention transfer over all blocks."""

    beta: NonNegative = 1000.0
    """Weight of the sum over blocks."""
    power: Count = 2
    """Exponent p of the attention map."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Matched(pair.shapes.features, teacher_shapes.features)

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        return idle_points(pair, "attention", self.beta)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Matched) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        levels = [loss(context.own.features[s], context.teacher.features[t], self.power) for s, t in extras.pairs]
        return terms | {"attention": self.beta * sum(levels[1:], levels[0])}
