"""PKT: probabilistic knowledge transfer.

Passalis, Tefas: Learning Deep Representations with Probabilistic Knowledge Transfer (ECCV 2018),
https://arxiv.org/abs/1803.10837

    K(x)_ij = (cos(x_i, x_j) + 1) / 2
    p, q    = K(vt), K(vs), each row divided by its sum
    L       = gamma CE + alpha KD + beta mean over i, j of p_ij log((p_ij + 1e-7) / (q_ij + 1e-7))

vs and vt are the pooled vectors, which may differ in width. As in the authors' code and
RepDistiller a sample's similarity with itself is kept, and the mean is over all b^2 entries (the
paper leaves the diagonal out and sums). The values are tiny, hence RepDistiller's beta 30000. 1e-7
is added to the vectors' lengths too; an all-zero vector has cosine 0 with all, itself included, and
no gradient. In batches of one image p and q are 1 and L constant.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from didact.losses import in_float32, task
from didact.method import Joint, StepContext
from didact.spec import NonNegative, spec
from didact.tensors import Needs, Scalar, same_images

EPSILON = 1e-7


@in_float32
def loss(vs: Tensor, vt: Tensor) -> Scalar:
    """Mean over the b x b entries of p log((p + 1e-7) / (q + 1e-7)), p the teacher's similarities
    and q the student's.

    Vectors or maps, which are flattened; widths may differ.
    """
    same_images(vs, vt)
    p, q = similarities(vt), similarities(vs)
    return (p * ((p + EPSILON) / (q + EPSILON)).log()).mean()


@in_float32
def similarities(x: Tensor) -> Tensor:
    """(b, b): (cosine + 1) / 2 of the flattened samples, each row divided by its sum."""
    flat = x.flatten(1)
    norm = flat.norm(dim=1, keepdim=True)
    unit = torch.where(norm == 0, 0, flat / (norm + EPSILON))
    shifted = (unit @ unit.T + 1).clamp(min=0) / 2  # rounding takes the cosine of opposite vectors below -1
    return shifted / shifted.sum(1, keepdim=True)


@spec
class PKT(Joint):
    """Probabilistic knowledge transfer between pooled vectors."""

    beta: NonNegative = 30000.0
    """Weight of the divergence between the similarities."""

    @property
    def needs(self) -> Needs:
        return self.reading("pooled")

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.teacher is not None and context.teacher.pooled is not None and context.own.pooled is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        return terms | {"probabilities": self.beta * loss(context.own.pooled, context.teacher.pooled)}
