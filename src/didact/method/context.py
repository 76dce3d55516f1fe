"""What a method is given while it trains: the inputs of a step, of its metrics, and of its
``refresh``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from didact.method.stage import Clock
from didact.nets.blocks import BlockNet
from didact.tensors import Batch, Outputs


@dataclass(frozen=True)
class View:
    """Outputs of both networks for a further view of the batch."""

    own: Outputs
    teacher: Outputs | None


@dataclass(frozen=True)
class StepContext:
    """Inputs to :meth:`didact.method.Method.terms` for one training step.

    Attributes:
        batch: images, labels, index.
        own: outputs of the learner's network, with gradient; only the parts in ``needs.own``.
        teacher: outputs of the teacher, without gradient; None when nothing is read from it.
        peers: outputs of the peers, without gradient, in the order of their turns.
        views: by name, both networks' outputs for further views.
        clock: where the training is.
        random: the learner's own generator, on the batch's device.
        net: the network that learns, for methods that take gradients with respect to its
            parameters.
        position: the learner's own place among its peers, from 0.
    """

    batch: Batch
    own: Outputs
    teacher: Outputs | None
    clock: Clock
    random: torch.Generator
    peers: tuple[Outputs, ...] = ()
    views: dict[str, View] = field(default_factory=dict)
    net: BlockNet | None = None
    position: int = 0

    @property
    def group(self) -> tuple[Outputs, ...]:
        """Outputs of all networks that learn together, own and peers, in the order of their turns:
        the same for each.
        """
        return (*self.peers[: self.position], self.own, *self.peers[self.position :])


@dataclass(frozen=True)
class MetricsContext:
    """Inputs to :meth:`didact.method.Method.metrics` at one of three moments.

    Attributes:
        moment: "step", in a training step after its terms; "test", for a batch of held-out images,
            in eval mode and without gradient; "epoch", once at the end of every epoch, without
            gradient.
        own: outputs of the learner's network for the batch; empty at the end of an epoch.
        views: as in :class:`StepContext`; "step" alone has them.
    """

    moment: Literal["step", "test", "epoch"]
    own: Outputs = field(default_factory=Outputs)
    views: dict[str, View] = field(default_factory=dict)


@dataclass(frozen=True)
class HeldOut:
    """Answers of networks that learn together for held-out images, in eval mode and without
    gradient.

    Attributes:
        logits: (n, k) of every network, own and peers, in the order of their turns.
        labels: (n,).
    """

    logits: tuple[Tensor, ...]
    labels: Tensor
