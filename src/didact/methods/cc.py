"""CC: correlation congruence.

Peng, Jin, Liu, Li, Wu, Liu, Zhou, Zhang: Correlation Congruence for Knowledge Distillation (ICCV
2019), https://arxiv.org/abs/1904.01802

    es, et = linear embeddings of the pooled vectors
    L      = gamma CE + alpha KD + beta C(es, et)

kind neighbours, RepDistiller's and the default, with d_i = |es_i - et_i| elementwise and b samples
in the order of the batch:

    C = mean over i = 1 .. b-1 of d_i . d_i+1

kinds bilinear and gaussian, torchdistill's distance of correlation matrices (the paper squares it):

    C = ||M(es) - M(et)||_F / b^2
    M(x)_ij = x_i . x_j                                                      bilinear
    M(x)_ij = exp(-2 g) sum over p = 0 .. 2 of (2 g)^p (x_i . x_j)^p / p!    gaussian, g 0.4

RepDistiller's formula is not the paper's, and depends on the order of the batch. The gaussian one
is a Taylor expansion of exp(-g |x_i - x_j|^2) that holds for vectors of length 1; torchdistill does
not normalise them, ``unit`` does. Both embeddings (to 128 dimensions, with bias) are trained with
the student, so vectors of any width are served. beta 0.02 is RepDistiller's. A batch of one has no
neighbours: 0. Nor has it correlations of vectors of length 1.
"""

from __future__ import annotations

from math import exp, factorial
from typing import Literal

from torch import Tensor, nn

from didact.losses import in_float32, task, unit_rows
from didact.method import Joint, Pair, StepContext
from didact.spec import Count, NonNegative, check_word, spec
from didact.tensors import Needs, Scalar, Vector, rows, same_images, same_shape


@in_float32
def loss(es: Vector, et: Vector) -> Scalar:
    """Mean over consecutive samples i, i + 1 of the inner product of |es_i - et_i| and |es_i+1 -
    et_i+1|."""
    rows(es, et)
    same_shape(es, et)
    delta = (es - et).abs()
    return (delta[:-1] * delta[1:]).sum() / max(1, len(delta) - 1)


@in_float32
def matrix_distance(
    es: Vector,
    et: Vector,
    kernel: Literal["bilinear", "gaussian"] = "bilinear",
    unit: bool = False,
    sharpness: float = 0.4,
    order: int = 2,
) -> Scalar:
    """Frobenius norm of the difference of the b x b correlation matrices, divided by b^2. No
    gradient where they agree.

    Args:
        kernel: bilinear, x_i . x_j; or gaussian, exp(-sharpness |x_i - x_j|^2) of vectors of length
            1, expanded.
        unit: scale the embeddings to length 1 first; an all-zero one stays.
        sharpness, order: of the gaussian one's expansion.
    """
    rows(es, et)
    same_images(es, et)
    check_word("kernel", kernel, ("bilinear", "gaussian"))
    if unit:
        es, et = unit_rows(es), unit_rows(et)
    ms, mt = es @ es.T, et @ et.T
    if kernel == "gaussian":
        ms, mt = expansion(ms, sharpness, order), expansion(mt, sharpness, order)
    return (ms - mt).norm() / len(es) ** 2


def expansion(products: Tensor, sharpness: float, order: int) -> Tensor:
    """exp(-2 g) exp(2 g products), elementwise, with the series of the second factor up to
    ``order``."""
    powers = [(2 * sharpness) ** p / factorial(p) * products**p for p in range(order + 1)]
    return exp(-2 * sharpness) * sum(powers[1:], powers[0])


@spec
class CC(Joint):
    """Correlation congruence between embeddings of pooled vectors."""

    beta: NonNegative = 0.02
    """Weight of the correlation term."""
    kind: Literal["neighbours", "bilinear", "gaussian"] = "neighbours"
    """What is compared: errors on neighbouring samples (RepDistiller), or correlation matrices by
    one of two kernels."""
    unit: bool = False
    """Of the matrices: whether the embeddings are scaled to length 1 first, as the gaussian kernel
    supposes."""
    width: Count = 128
    """Dimensions of the embeddings."""

    @property
    def needs(self) -> Needs:
        return self.reading("pooled")

    def build(self, pair: Pair) -> nn.Module:
        _, teacher_shapes = pair.with_teacher()
        return Embeddings(pair.shapes.pooled[0], teacher_shapes.pooled[0], self.width)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Embeddings) and context.teacher is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        es, et = extras.own(context.own.pooled), extras.teacher(context.teacher.pooled)
        found = loss(es, et) if self.kind == "neighbours" else matrix_distance(es, et, self.kind, self.unit)
        return terms | {"correlation": self.beta * found}


class Embeddings(nn.Module):
    """A linear layer for each network's pooled vector, to one width."""

    def __init__(self, own: int, teacher: int, width: int) -> None:
        super().__init__()
        self.own = nn.Linear(own, width)
        self.teacher = nn.Linear(teacher, width)
