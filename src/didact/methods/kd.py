"""KD: softened logits.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network (NeurIPS workshop 2014),
https://arxiv.org/abs/1503.02531

    L = gamma CE(zs, y) + alpha T^2 KL(softmax(zt / T) || softmax(zs / T))

The KL is summed over classes and averaged over the batch. Defaults are RepDistiller's: gamma 0.1,
alpha 0.9, T 4.

``standardise`` puts both networks' logits on one scale first (Sun, Ren, Li, Wang, Cao: Logit
Standardization in Knowledge Distillation, CVPR 2024, https://arxiv.org/abs/2403.01427): for every
image

    z <- (z - mean over classes) / (standard deviation over classes + 1e-7)

with the unbiased deviation, as in the authors' code. The preset ``kd+ls`` has that code's settings
for CIFAR-100: T 2, alpha 9, gamma 0.1 (their tables take T 3 or 4 for some pairs). With two classes
every standardised row is (0.71, -0.71) in one order or the other, which leaves no gradient; KD
itself teaches there.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator
from torch import Tensor, nn

from didact.losses import softened_kl, standardised, task
from didact.method import Idle, Method, Pair, Parallel, SoftLabels, StepContext
from didact.spec import NonNegative, Positive, spec
from didact.tensors import Logits, Needs, Scalar, reads


def loss(zs: Logits, zt: Logits, temperature: float = 4.0, *, standardise: bool = False) -> Scalar:
    """T^2 KL(softmax(zt / T) || softmax(zs / T)), mean over the batch; finite for extreme logits (0
    log 0 = 0).

    ``standardise``: both networks' rows first get mean 0 and deviation 1; a constant row has no
    gradient.
    """
    if standardise:
        zs, zt = standardised(zs), standardised(zt)
    return temperature**2 * softened_kl(zt, zs, temperature)


@spec
class KD(Method):
    """Knowledge distillation from the teacher's softened logits."""

    presets: ClassVar = {"ls": {"standardise": True, "alpha": 9.0, "temperature": 2.0}}

    gamma: NonNegative = 0.1
    """Weight of the cross entropy with the labels."""
    alpha: NonNegative = 0.9
    """Weight of the distillation term."""
    temperature: Positive = 4.0
    """Softens both distributions."""
    standardise: bool = False
    """Whether every row of logits is first given mean 0 and deviation 1 (CVPR 2024)."""

    @model_validator(mode="after")
    def _learns(self) -> KD:
        if not (self.gamma or self.alpha):
            raise ValueError("gamma and alpha are both 0, which leaves nothing to learn from")
        return self

    @property
    def needs(self) -> Needs:
        return reads("logits", teacher="logits")

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def idle(self, pair: Pair) -> tuple[Idle, ...]:
        if not (self.alpha and self.standardise and pair.classes == 2):
            return ()
        why = "with two classes a standardised row is (0.71, -0.71) or the reverse, so the term 'kd' has no gradient"
        return (Idle(f"{why}; use kd without standardise"),)

    def parallel(self) -> Parallel:
        return "images"

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        return task(self, context.own, context.teacher, context.batch.targets, self.standardise)
