"""How far a student's answers are from its teacher's (the left half of the SFTN paper's Table 8)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from didact.tensors import Labels, Logits


def each(zt: Logits, zs: Logits) -> Float[Tensor, " b"]:
    """KL(softmax(zt) || softmax(zs)) of every sample in nats, in float64."""
    log_t, log_s = zt.double().log_softmax(1), zs.double().log_softmax(1)
    return (log_t.exp() * (log_t - log_s)).nan_to_num(0.0).sum(1)


def kl(zt: Logits, zs: Logits) -> float:
    """Mean over samples of KL(softmax(zt) || softmax(zs)) in nats, in float64."""
    return float(each(zt, zs).mean())


def agreement(zt: Logits, zs: Logits) -> float:
    """Share of samples on which both networks answer alike, in percent."""
    return 100 * float((zt.argmax(1) == zs.argmax(1)).double().mean())


def accuracy(logits: Logits, labels: Labels) -> float:
    """Share of samples whose label has the highest logit, in percent."""
    return 100 * float((logits.argmax(1) == labels).double().mean())
