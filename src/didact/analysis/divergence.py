"""How far a student's answers are from its teacher's (the left half of the SFTN paper's Table 8)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from didact.losses import divergences
from didact.tensors import Labels, Logits, answered


def each(zt: Logits, zs: Logits) -> Float[Tensor, " b"]:
    """KL(softmax(zt) || softmax(zs)) of every sample in nats, in float64.

    Infinite where the student rules out what the teacher does not; NaN where one of them has no answer
    (:func:`didact.tensors.answered`).
    """
    return divergences(zt.double().log_softmax(1), zs.double().log_softmax(1)).sum(1)


def kl(zt: Logits, zs: Logits) -> float:
    """Mean over samples of KL(softmax(zt) || softmax(zs)) in nats, in float64."""
    return float(each(zt, zs).mean())


def agreement(zt: Logits, zs: Logits) -> float:
    """Share of samples on which both networks answer alike, in percent. Where one has no answer they do not."""
    return 100 * float(((zt.argmax(1) == zs.argmax(1)) & answered(zt) & answered(zs)).double().mean())


def accuracy(logits: Logits, labels: Labels) -> float:
    """Share of samples whose label has the highest logit, in percent. A sample without an answer counts as wrong."""
    return 100 * float(((logits.argmax(1) == labels) & answered(logits)).double().mean())
