"""SP: similarity-preserving knowledge distillation.

Tung, Mori: Similarity-Preserving Knowledge Distillation (ICCV 2019),
https://arxiv.org/abs/1907.09682

    G(f) = F F^T over the flattened samples, each row divided by its L2 norm
    L    = gamma CE + alpha KD + beta ||G(fs) - G(ft)||_F^2 / b^2

On the last feature map of each network, as in RepDistiller (beta 3000). Maps may differ in every
size. In batches of one image G is 1 and L constant.
"""

from __future__ import annotations

from torch import Tensor, nn

from didact.losses import in_float32, rows_alike, task
from didact.method import Joint, StepContext
from didact.spec import NonNegative, spec
from didact.tensors import Needs, Scalar, same_images


@in_float32
def loss(fs: Tensor, ft: Tensor) -> Scalar:
    """Mean over the b x b entries of the squared difference of the row-normalised Gram matrices. A
    zero row stays zero."""
    same_images(fs, ft)
    return (rows_alike(fs) - rows_alike(ft)).pow(2).mean()


@spec
class SP(Joint):
    """Similarity-preserving distillation on the last feature map."""

    beta: NonNegative = 3000.0
    """Weight of the similarity term."""

    @property
    def needs(self) -> Needs:
        return self.reading("features")

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        return terms | {"similarity": self.beta * loss(context.own.features[-1], context.teacher.features[-1])}
