"""pytorchcv: networks for CIFAR and ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from didact.nets.libraries.contract import Library, called, number
from didact.nets.libraries.spelling import Spelling


class Pytorchcv(Library):
    """``pytorchcv:resnet20_cifar100``; arguments are those of the network's function."""

    package: ClassVar = "pytorchcv"
    extra: ClassVar = "pytorchcv"
    from_data: ClassVar = ("num_classes", "in_channels")

    def names(self) -> Sequence[str]:
        known = self.module("model_provider")._models
        return tuple(sorted(known))

    def build(self, spelling: Spelling, classes: int, channels: int, size: int | None) -> nn.Module:
        def make(**given: object) -> nn.Module:
            get = self.module("model_provider").get_model
            return get(spelling.net, num_classes=classes, in_channels=channels, **given)

        return called(make, spelling.arguments, {} if size is None else {"in_size": (size, size)})

    def size(self, model: nn.Module, spelling: Spelling) -> int:
        return number(spelling.arguments.get("in_size"), number(getattr(model, "in_size", None), 224))
