"""RKD: relational knowledge distillation.

Park, Kim, Lu, Cho: Relational Knowledge Distillation (CVPR 2019), https://arxiv.org/abs/1904.05068

    D(x)_ij  = |x_i - x_j| / mean over i != j of |x_i - x_j|
    u_aj     = (x_j - x_a) / |x_j - x_a|
    A(x)_ajk = u_aj . u_ak
    L        = gamma CE + alpha KD + beta (25 mean h(D(vs) - D(vt)) + 50 mean h(A(vs) - A(vt)))

vs and vt are the pooled vectors, which may differ in width; h is the smooth L1 (Huber) function,
e^2 / 2 below 1 and |e| - 1/2 above. As in the authors' code and RepDistiller, the means are over
all b^2 and b^3 entries, including those of a sample with itself (zero on both sides). The weights
are theirs: beta 1, distance 25, angle 50.

Distances are at least 1e-6 (RepDistiller's clamp), so that equal samples count in the mean; they
have no gradient towards one another. Distances are computed from differences, where the code bases
expand the square and keep its rounding error. In batches of one or two images both parts are
constant: a single distance is its own mean. Time and memory of the angles grow with b^3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact.losses import in_float32, task, unit_rows
from didact.method import Idle, Joint, Pair, StepContext
from didact.spec import NonNegative, spec
from didact.tensors import Needs, Scalar, same_images


@in_float32
def loss(vs: Tensor, vt: Tensor, distance_weight: float = 25.0, angle_weight: float = 50.0) -> Scalar:
    """The weighted sum of both parts. Vectors or maps, which are flattened; widths may differ. No
    gradient to the teacher."""
    return distance_weight * distance(vs, vt) + angle_weight * angle(vs, vt)


@in_float32
def distance(vs: Tensor, vt: Tensor) -> Scalar:
    """Mean over the b x b pairs of the smooth L1 between distances, each side's divided by their
    mean."""
    same_images(vs, vt)
    with torch.no_grad():
        target = distances(vt)
    return F.smooth_l1_loss(distances(vs), target)


@in_float32
def angle(vs: Tensor, vt: Tensor) -> Scalar:
    """Mean over the b x b x b triplets of the smooth L1 between the cosines of the angles."""
    same_images(vs, vt)
    with torch.no_grad():
        target = cosines(vt)
    return F.smooth_l1_loss(cosines(vs), target)


@in_float32
def distances(x: Tensor) -> Tensor:
    """Between all samples, (b, b), divided by the mean of those off the diagonal; at least 1e-6
    before that."""
    flat = x.flatten(1)
    least = 1e-6 * (1 - torch.eye(len(x), dtype=x.dtype, device=x.device))
    d = torch.maximum(torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist"), least)
    pairs = max(1, len(x) * (len(x) - 1))
    return d / (d.sum() / pairs).clamp(min=1e-12)  # a batch of one: 0 / 1e-12


@in_float32
def cosines(x: Tensor) -> Tensor:
    """At each sample the cosines of the angles between the directions to all others, (b, b, b):
    u_aj . u_ak."""
    flat = x.flatten(1)
    away = flat[None, :] - flat[:, None]
    unit = unit_rows(away.flatten(0, 1)).view_as(away)
    return unit @ unit.mT


@spec
class RKD(Joint):
    """Relational distillation by distances and angles between pooled vectors."""

    beta: NonNegative = 1.0
    """Weight of both relational terms together."""
    distance_weight: NonNegative = 25.0
    """Weight of the distances within the relational terms."""
    angle_weight: NonNegative = 50.0
    """Weight of the angles within the relational terms."""

    @property
    def needs(self) -> Needs:
        return self.reading("pooled")

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        if pair.batch > 2 or not self.beta * (self.distance_weight + self.angle_weight):
            return ()
        why = "in batches of fewer than 3 images all distances are their own mean and no angle is between two others"
        return (Idle(f"{why}, so its terms teach nothing; write recipe.batch_size=3 or more"),)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.teacher is not None and context.teacher.pooled is not None and context.own.pooled is not None
        terms = task(self, context.own, context.teacher, context.batch.targets)
        vs, vt = context.own.pooled, context.teacher.pooled
        terms["distance"] = self.beta * self.distance_weight * distance(vs, vt)
        terms["angle"] = self.beta * self.angle_weight * angle(vs, vt)
        return terms
