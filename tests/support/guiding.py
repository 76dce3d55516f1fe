"""Methods on the teacher of a user's own, for tests: nothing outside this file knows them."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from didact import nets
from didact.method import ForStudent, Method, MetricsContext, Pair, StepContext
from didact.spec import NonNegative, spec


@spec
class Companion(ForStudent):
    """A whole student learns the labels together with the teacher, which is drawn towards it."""

    branch_part: ClassVar = "companion"

    weight: NonNegative = 1.0
    """Weight of the distance between the two."""

    def build(self, pair: Pair) -> nn.Module:
        return nn.ModuleDict({"companion": nets.create(self.student, pair.classes, pair.image[0])})

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, nn.ModuleDict) and context.own.logits is not None
        logits, labels = extras["companion"](context.batch.images), context.batch.labels
        ce = F.cross_entropy(context.own.logits, labels) + F.cross_entropy(logits, labels)
        return {"ce": ce, "near": self.weight * F.mse_loss(context.own.logits, logits)}

    def metrics(self, extras: nn.Module, context: MetricsContext) -> dict[str, Tensor]:
        if context.moment == "epoch":
            return {"norm": torch.stack([p.norm() for p in extras.parameters()]).norm()}
        return super().metrics(extras, context)


@spec
class Calm(Method):
    """A teacher with soft answers; prepared for nobody in particular."""

    teaches: ClassVar = True
    examples: ClassVar = {"smoothing": 0.1}

    smoothing: NonNegative
    """Label smoothing."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        return {"ce": F.cross_entropy(context.own.logits, context.batch.labels, label_smoothing=self.smoothing)}


@spec
class Smoothed(Method):
    """A baseline of one's own: labels with smoothing, without a teacher."""

    learns_alone: ClassVar = True

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        return {"ce": F.cross_entropy(context.own.logits, context.batch.labels, label_smoothing=0.1)}
