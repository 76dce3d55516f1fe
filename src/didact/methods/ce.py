"""CE: labels alone.

    L = CE(softmax(zs), y)

What every distilled student is compared with, and how a standard teacher is trained.
"""

from __future__ import annotations

from torch import Tensor, nn

from didact.losses import cross_entropy
from didact.method import Method, StepContext
from didact.spec import spec
from didact.tensors import Labels, Logits, Scalar


def loss(zs: Logits, labels: Labels) -> Scalar:
    """Cross entropy of softmax(zs) against the labels, mean over the batch."""
    return cross_entropy(zs, labels)


@spec
class CE(Method):
    """Cross entropy, no teacher."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        return {"ce": loss(context.own.logits, context.batch.labels)}
