"""torchvision's classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from didact.nets.libraries.contract import Library, called, number
from didact.nets.libraries.spelling import Spelling
from didact.spec import SpecError


class Torchvision(Library):
    """``torchvision:resnet18``; arguments are those of the network's function. The networks take
    three channels."""

    package: ClassVar = "torchvision"
    extra: ClassVar = "torchvision"
    from_data: ClassVar = ("num_classes",)

    def names(self) -> Sequence[str]:
        models = self.module("models")
        return tuple(models.list_models(module=models))

    def build(self, spelling: Spelling, classes: int, channels: int, size: int | None) -> nn.Module:
        if channels != 3:
            raise SpecError(
                f"{spelling}: networks of torchvision take images of 3 channels, not {channels}; take one of timm"
            )

        def make(**given: object) -> nn.Module:
            return self.module("models").get_model(spelling.net, num_classes=classes, **given)

        sized = {} if size is None else {"image_size": size, "input_size": (size, size)}
        start = {"init_weights": True} if spelling.net in ("googlenet", "inception_v3") else {}  # else it warns that it does
        return called(make, spelling.arguments, {"aux_logits": False} | start | sized)

    def size(self, model: nn.Module, spelling: Spelling) -> int:
        size = spelling.arguments.get("image_size", spelling.arguments.get("input_size"))
        return number(size, number(getattr(model, "image_size", None), 224))
