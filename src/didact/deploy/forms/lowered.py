"""Forms that another Python makes from a network as torch.export saves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from didact.deploy import apart
from didact.deploy.decomposed import Decomposed
from didact.deploy.forms.contract import WEIGHT_SCALES, Form
from didact.deploy.forms.pt2 import program_of, saved
from didact.deploy.guest import interpreter
from didact.deploy.qdq import integral
from didact.nets.blocks import BlockNet, Shape


class Lowered(Form):
    """See :class:`didact.deploy.forms.contract.Form`.

    Args:
        python: the interpreter, or None for what the environment names.
    """

    name = ""
    suffix = ""
    keeps = False
    weight_scales: tuple[str, ...] = WEIGHT_SCALES

    def __init__(self, python: Path | None) -> None:
        self._python = python
        self._versions: dict[str, str] = {}

    def check_installed(self, bits: int) -> None:
        interpreter(self.name, self._python)

    def model_of(self, net: nn.Module, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        return saved(program_of(net, image, mean, std))

    def floats(self, model: bytes) -> bytes:
        return self._made(model, None)

    def quantised(self, model: bytes, batches: Iterable[Tensor], float_ends: bool, weight_scales: str) -> bytes:
        return self._made(model, torch.cat(list(batches)), float_ends, weight_scales)

    def trained(self, net: BlockNet, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        assert self.keeps
        return self._made(saved(program_of(integral(net, Decomposed(signed=True)), image, mean, std)), None)

    def _made(
        self, model: bytes, images: Tensor | None, float_ends: bool = False, weight_scales: str = WEIGHT_SCALES[0]
    ) -> bytes:
        made, self._versions = apart.lowered(self.name, model, images, float_ends, weight_scales, self._python)
        return made

    def described(self, file: bytes, about: dict[str, Any]) -> bytes:
        return file

    def logits_of(self, file: bytes, batches: Iterable[Tensor]) -> Tensor:
        return apart.logits_of(self.name, file, self.suffix, batches, self._python)

    def versions(self) -> dict[str, str]:
        return self._versions
