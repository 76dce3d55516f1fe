"""timm: PyTorch image models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from didact.nets.libraries.contract import Library, called, number
from didact.nets.libraries.spelling import Spelling


class Timm(Library):
    """``timm:resnet34``; arguments are those of ``timm.create_model`` and of the network's
    class."""

    package: ClassVar = "timm"
    extra: ClassVar = "timm"
    from_data: ClassVar = ("num_classes", "in_chans")
    of_weights: ClassVar = (*Library.of_weights, "scriptable", "exportable", "no_jit", "features_only")

    def names(self) -> Sequence[str]:
        return tuple(self.module().list_models())

    def known(self, spelling: Spelling) -> Spelling:
        """Without the tag of pretrained weights: ``resnet50.a1_in1k`` is the network
        ``resnet50``."""
        return super().known(Spelling("timm", spelling.net.partition(".")[0], spelling.arguments, spelling.structure))

    def build(self, spelling: Spelling, classes: int, channels: int, size: int | None) -> nn.Module:
        def make(**given: object) -> nn.Module:
            return self.module().create_model(spelling.net, num_classes=classes, in_chans=channels, **given)

        return called(make, spelling.arguments, {} if size is None else {"img_size": size})

    def size(self, model: nn.Module, spelling: Spelling) -> int:
        settings = getattr(model, "default_cfg", None) or {}
        return number(spelling.arguments.get("img_size"), number(settings.get("input_size", ())[-1:], 224))
