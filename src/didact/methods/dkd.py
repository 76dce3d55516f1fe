"""DKD: decoupled knowledge distillation.

Zhao, Cui, Song, Qiu, Liang: Decoupled Knowledge Distillation (CVPR 2022),
https://arxiv.org/abs/2203.08679

    TCKD = KL over {label's class, all others} of (softmax(zt / T) || softmax(zs / T))
    NCKD = KL over the other classes alone     of (softmax(zt / T) || softmax(zs / T))
    L    = gamma CE + w T^2 (target TCKD + rest NCKD)

Both KLs are averaged over the batch. w rises with the epochs, to 1 at the end of the share
``warmup`` of them: epoch / 20 in the authors' code (epochs from 1, 240 of them), as are the weights
target 1 (their alpha), rest 8 (their beta), gamma 1 and T 4. They take rest 8, 6 or 2 according to
the pair.

The authors' code removes the label's class by subtracting 1000 from its logit, and takes logarithms
of summed probabilities, which are infinite for saturated logits. Here everything is computed from
log-probabilities: equal up to rounding, and finite. With two classes NCKD is zero, for no more than
one other class is left; standardised logits then teach nothing (see KD).

``standardise`` is logit standardisation (see KD): Sun, Ren, Li, Wang, Cao (CVPR 2024),
https://arxiv.org/abs/2403.01427. The preset ``dkd+ls`` has their code's settings for CIFAR-100: T
2, both weights times 9 (their logs have other weights too).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from didact.losses import cross_entropy, divergences, in_float32, standardised
from didact.method import Idle, Method, Pair, Parallel, SoftLabels, StepContext
from didact.spec import NonNegative, Positive, spec
from didact.tensors import Labels, Logits, Needs, Scalar, reads, rows, same_images, same_shape


@in_float32
def loss(
    zs: Logits,
    zt: Logits,
    labels: Labels,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: float = 4.0,
    *,
    standardise: bool = False,
) -> Scalar:
    """T^2 (alpha TCKD + beta NCKD), mean over the batch; finite for extreme logits (0 log 0 = 0).

    A class that both networks mask with a logit of -inf changes nothing; with one other class left
    NCKD is 0.
    """
    rows(zs, zt)
    same_shape(zs, zt)
    same_images(zs, labels)
    if standardise:
        zs, zt = standardised(zs), standardised(zt)
    label = torch.arange(zs.shape[1], device=zs.device) == labels[:, None]
    two_s, rest_s = _decoupled(zs / temperature, label)
    two_t, rest_t = _decoupled(zt / temperature, label)
    tckd = divergences(two_t, two_s).sum() / len(labels)
    nckd = divergences(rest_t, rest_s).sum() / len(labels)
    return temperature**2 * (alpha * tckd + beta * nckd)


def _decoupled(z: Logits, label: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of (label's class, all others), and of the other classes among themselves
    (0 at the label's).

    log(1 - p) is the log of the sum over the others, not computed from p, so that it survives p =
    1.
    """
    log_p = z.log_softmax(1)
    others = log_p.masked_fill(label, -torch.inf)
    none = (others == -torch.inf).all(1, keepdim=True)  # all masked: they have no distribution among themselves
    log_rest = others.masked_fill(none, 0).logsumexp(1, keepdim=True).masked_fill(none, -torch.inf)
    log_label = log_p.masked_fill(~label, 0).sum(1, keepdim=True)
    among = log_p.masked_fill(label | none, 0) - log_rest.masked_fill(label | none, 0)
    return torch.cat([log_label, log_rest], 1), among


@spec
class DKD(Method):
    """Distillation of the label's class and of the other classes, each with a weight of its own."""

    presets: ClassVar = {"ls": {"standardise": True, "target": 9.0, "rest": 72.0, "temperature": 2.0}}

    gamma: NonNegative = 1.0
    """Weight of the cross entropy with the labels."""
    target: NonNegative = 1.0
    """Weight of TCKD, the label's class against all others (alpha in the paper)."""
    rest: NonNegative = 8.0
    """Weight of NCKD, the other classes among themselves (beta in the paper)."""
    temperature: Positive = 4.0
    """Softens both distributions."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 1 / 12
    """Share of the epochs over which the weight of both rises to its full value; 0: it has it at
    once."""
    standardise: bool = False
    """Whether every row of logits is first given mean 0 and deviation 1 (CVPR 2024)."""

    @property
    def needs(self) -> Needs:
        return reads("logits", teacher="logits")

    def soft_labels(self) -> SoftLabels:
        return "smoothed"  # tells each image's own class from the others

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        if pair.classes != 2 or not (self.target or self.rest):
            return ()
        if self.standardise:
            why = "with two classes a standardised row is (0.71, -0.71) or the reverse"
            return (Idle(f"{why}, so the term 'dkd' has no gradient; use kd, or dkd without standardise"),)
        why = "with two classes one other class is left, so its part NCKD (method.rest) is 0"
        if not self.target:
            return (Idle(f"{why}, and method.target is 0: the term 'dkd' teaches nothing; use kd"),)
        return (Idle(f"{why}; TCKD alone teaches, as kd does", whole=False),) if self.rest else ()

    def parallel(self) -> Parallel:
        return "images"

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None and context.teacher is not None and context.teacher.logits is not None
        zs, zt, labels = context.own.logits, context.teacher.logits, context.batch.labels
        terms = {"ce": self.gamma * cross_entropy(zs, context.batch.targets)} if self.gamma else {}
        value = loss(zs, zt, labels, self.target, self.rest, self.temperature, standardise=self.standardise)
        return terms | {"dkd": context.clock.warmup(self.warmup) * value}
