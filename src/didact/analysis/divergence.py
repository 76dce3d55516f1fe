"""Distance of a student's answers from its teacher's (the left half of the SFTN paper's Table
8)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from didact.losses import divergences
from didact.tensors import Labels, Logits, answered, same_images, same_shape


def each(zt: Logits, zs: Logits) -> Float[Tensor, " b"]:
    """KL(softmax(zt) || softmax(zs)) of every sample in nats, in float64.

    Infinite if the student gives probability 0 to a class to which the teacher does not; NaN if one
    of them has no answer (:func:`didact.tensors.answered`).
    """
    return divergences(zt.double().log_softmax(1), zs.double().log_softmax(1)).sum(1)


def kl(zt: Logits, zs: Logits) -> float:
    """Mean over samples of KL(softmax(zt) || softmax(zs)) in nats, in float64."""
    return float(each(zt, zs).mean())


def agreement(zt: Logits, zs: Logits) -> float:
    """Share of samples with equal answers, in percent. A missing answer counts as a difference."""
    same_shape(zt, zs)
    return 100 * float(((zt.argmax(1) == zs.argmax(1)) & answered(zt) & answered(zs)).double().mean())


def accuracy(logits: Logits, labels: Labels) -> float:
    """Share of samples with the highest logit at their label, in percent. A missing answer counts
    as wrong."""
    same_images(logits, labels)
    return 100 * float(((logits.argmax(1) == labels) & answered(logits)).double().mean())
