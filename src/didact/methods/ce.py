"""CE: labels alone.

    L = (1 - epsilon) CE(softmax(zs), y) + epsilon / K sum_k CE(softmax(zs), k)

What every distilled student is compared with, and how a standard teacher is trained. epsilon is 0
unless label smoothing is set (Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception
Architecture for Computer Vision, CVPR 2016, section 7).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from didact.losses import cross_entropy
from didact.method import Method, Parallel, SoftLabels, StepContext
from didact.spec import spec
from didact.tensors import Logits, Scalar, Targets


def loss(zs: Logits, labels: Targets, label_smoothing: float = 0.0) -> Scalar:
    """Cross entropy of softmax(zs) against the labels, mean over the batch.

    Args:
        label_smoothing: epsilon, the share of each target that is spread evenly over all classes.
    """
    return cross_entropy(zs, labels, label_smoothing)


@spec
class CE(Method):
    """Cross entropy, no teacher."""

    learns_alone: ClassVar = True
    later: ClassVar = ("label_smoothing",)

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """epsilon: the share of each target that is spread evenly over all classes."""

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def parallel(self) -> Parallel:
        return "images"

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        return {"ce": loss(context.own.logits, context.batch.targets, self.label_smoothing)}
