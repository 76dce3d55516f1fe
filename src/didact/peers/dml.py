"""DML: deep mutual learning.

Zhang, Xiang, Hospedales, Lu: Deep Mutual Learning (CVPR 2018), https://arxiv.org/abs/1706.00384

    L_i = gamma CE(z_i, y) + beta sum_j T^2 KL(softmax(z_j / T) || softmax(z_i / T))
    over the peers j != i

Two or more networks of any architectures learn at the same time; no gradient reaches a peer. As in
the authors' code, the networks take turns in a step: each is updated, and the next one learns from
the updated outputs of those before it. With ``order`` "together", all outputs are computed before
any update, which saves a forward pass of every network but the last.

The authors' code sums over the peers, at T = 1; later code divides by their number (``over``
"mean"), which makes no difference for two networks. The label smoothing of the authors' script
(0.1, on Market-1501) is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from didact.losses import cross_entropy, softened_kl
from didact.method import Method, Parallel, SoftLabels, StepContext
from didact.spec import NonNegative, Positive, spec
from didact.tensors import Logits, Needs, Scalar, reads


def loss(z: Logits, peers: Sequence[Logits], temperature: float = 1.0) -> Scalar:
    """Sum over the peers of T^2 KL(softmax(peer / T) || softmax(z / T)), each a mean over the
    batch.

    Args:
        z: the network's own logits, (b, k).
        peers: those of its peers, one or more; they get no gradient.

    Raises:
        ValueError: no peers, or logits of several shapes.
    """
    if not peers:
        raise ValueError("peers: logits of one peer at least, found none")
    return temperature**2 * torch.stack([softened_kl(peer.detach(), z, temperature) for peer in peers]).sum()


@spec
class DML(Method):
    """Networks that learn the labels and each other's answers."""

    gamma: NonNegative = 1.0
    """Weight of the cross entropy with the labels."""
    beta: NonNegative = 1.0
    """Weight of the divergence from the peers."""
    temperature: Positive = 1.0
    """Softens all distributions; 1 in the paper."""
    over: Literal["sum", "mean"] = "sum"
    """How several peers count: their sum (the authors' code) or their mean."""
    order: Literal["turns", "together"] = "turns"
    """Whether networks are updated one after the other, or all after all outputs are computed."""

    @property
    def needs(self) -> Needs:
        return reads("logits", peers="logits")

    @property
    def sequential(self) -> bool:
        return self.order == "turns"

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def parallel(self) -> Parallel:
        return "images"

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        peers = [peer.logits for peer in context.peers if peer.logits is not None]
        weight = self.beta / len(peers) if self.over == "mean" else self.beta
        return {
            "ce": self.gamma * cross_entropy(context.own.logits, context.batch.targets),
            "dml": weight * loss(context.own.logits, peers, self.temperature),
        }
