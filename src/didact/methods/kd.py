"""KD: softened logits.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network (NeurIPS workshop 2014), https://arxiv.org/abs/1503.02531

    L = gamma CE(zs, y) + alpha T^2 KL(softmax(zt / T) || softmax(zs / T))

The KL is summed over classes and averaged over the batch. Defaults are RepDistiller's: gamma 0.1, alpha 0.9, T 4.
"""

from __future__ import annotations

from torch import Tensor, nn

from didact.losses import softened_kl, task
from didact.method import Method, Seen
from didact.spec import NonNegative, Positive, spec
from didact.tensors import Logits, Needs, Scalar, reads


def loss(zs: Logits, zt: Logits, temperature: float = 4.0) -> Scalar:
    """T^2 KL(softmax(zt / T) || softmax(zs / T)), mean over the batch; finite for extreme logits (0 log 0 = 0)."""
    return temperature**2 * softened_kl(zt, zs, temperature)


@spec
class KD(Method):
    """Knowledge distillation from the teacher's softened logits."""

    gamma: NonNegative = 0.1
    """Weight of the cross entropy with the labels."""
    alpha: NonNegative = 0.9
    """Weight of the distillation term."""
    temperature: Positive = 4.0
    """Softens both distributions."""

    @property
    def needs(self) -> Needs:
        return reads("logits", teacher="logits")

    def terms(self, extras: nn.Module, seen: Seen) -> dict[str, Tensor]:
        return task(self, seen.own, seen.teacher, seen.batch.labels)
