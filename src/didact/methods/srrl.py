"""SRRL: softmax regression representation learning.

Yang, Martinez, Bulat, Tzimiropoulos: Knowledge distillation via softmax regression representation
learning (ICLR 2021), https://openreview.net/forum?id=ZzwDy_wiWv

    v = ReLU(BN(W vs))
    L = gamma CE + alpha KD + beta (mean((v - vt)^2) + mean((c(v) - zt)^2))

vs and vt are the vectors that the classifiers read, W a 1x1 convolution without bias, c the
teacher's classifier, frozen, and zt the teacher's logits; both means are over all elements. Formula
and beta 1 are the SimKD code's, which trains it with alpha 1 (the preset ``srrl+kd``). Any two
widths go together. In batches of two images batch norm leaves of vs no more than which of the two
is larger, and nothing is learnt from it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import in_float32, task
from didact.method import Idle, Joint, Pair, Parallel, StepContext
from didact.nets.adapt import Frozen
from didact.spec import NonNegative, spec
from didact.tensors import Logits, Needs, Scalar, Vector, same_shape


@in_float32
def loss(v: Vector, vt: Vector, z: Logits, zt: Logits) -> Scalar:
    """Mean of (v - vt)^2 plus mean of (z - zt)^2: the transferred vector, and what the teacher's
    classifier makes of it."""
    same_shape(v, vt)
    same_shape(z, zt)
    return F.mse_loss(v, vt) + F.mse_loss(z, zt)


@spec
class SRRL(Joint):
    """The student's vector must look like the teacher's, to the eye and to the teacher's
    classifier."""

    beta: NonNegative = 1.0
    """Weight of both squared errors."""

    @property
    def needs(self) -> Needs:
        return self.reading("pooled", teacher="logits pooled")

    def parallel(self) -> Parallel:
        return "images"

    def build(self, pair: Pair) -> nn.Module:
        teacher, shapes = pair.with_teacher()
        assert teacher.head is not None
        return Transfer(pair.shapes.pooled[0], shapes.pooled[0], teacher.head.classifier)  # type: ignore[arg-type]

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        if pair.batch > 2 or not self.beta:
            return ()
        why = "in batches of two images its batch norm makes every value 1 or -1, so the term 'regression' teaches nothing"
        return (Idle(f"{why}; write recipe.batch_size=3 or more"),)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Transfer) and context.own.pooled is not None
        assert context.teacher is not None and context.teacher.pooled is not None and context.teacher.logits is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        v = extras(context.own.pooled)
        return terms | {
            "regression": self.beta * loss(v, context.teacher.pooled, extras.classifier(v), context.teacher.logits)
        }


class Transfer(nn.Module):
    """From the student's vector to the teacher's, and the teacher's classifier. Vectors pass as 1x1
    maps.

    Args:
        width, wanted: lengths of the vector given and of the vector wanted.
        classifier: the teacher's; it is copied.
    """

    def __init__(self, width: int, wanted: int, classifier: nn.Module) -> None:
        super().__init__()
        self.connector = nn.Sequential(nn.Conv2d(width, wanted, 1, bias=False), nn.BatchNorm2d(wanted), nn.ReLU())
        self.classifier = Frozen(classifier)

    def forward(self, x: Vector) -> Tensor:
        return self.connector(x[:, :, None, None]).flatten(1)
