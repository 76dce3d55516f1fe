"""ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from didact.deploy import engine, onnx_file, qdq
from didact.deploy.forms.contract import WEIGHT_SCALES, Form
from didact.nets.blocks import BlockNet, Shape


class Onnx(Form):
    """See :class:`didact.deploy.forms.contract.Form`."""

    name = "onnx"
    suffix = ".onnx"
    keeps = True
    weight_scales = WEIGHT_SCALES

    def check_installed(self, bits: int) -> None:
        engine.check_installed("to")

    def model_of(self, net: nn.Module, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        return onnx_file.model_of(net, image, mean, std)

    def floats(self, model: bytes) -> bytes:
        return model

    def quantised(self, model: bytes, batches: Iterable[Tensor], float_ends: bool, weight_scales: str) -> bytes:
        return engine.quantised(model, batches, onnx_file.ends(model) if float_ends else (), weight_scales)

    def trained(self, net: BlockNet, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        return qdq.model_of(net, image, mean, std)

    def described(self, file: bytes, about: dict[str, Any]) -> bytes:
        return onnx_file.described(file, about)

    def logits_of(self, file: bytes, batches: Iterable[Tensor]) -> Tensor:
        return onnx_file.logits_of(file, batches)

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": engine.runtime()}


def form(python: Path | None) -> Onnx:
    """The form; ``python`` is not needed."""
    return Onnx()
