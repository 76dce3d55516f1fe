"""What a form of exported files does, and the forms by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from didact.deploy.guest import APART
from didact.nets.blocks import BlockNet, Shape
from didact.spec import SpecError, nearest, shown

NAMES = ("onnx", "pt2", "executorch", "tflite")
"""The forms, as ``--to`` names them."""

WEIGHT_SCALES = ("channel", "layer")
"""Weights in 8 bits have a scale for each output channel, or one for the whole layer."""


class Form(Protocol):
    """A form of files.

    A network becomes a model, and the model a file, in float or in integers. They raise
    :class:`didact.deploy.engine.Unsupported` for an operation that the form lacks, and name it.
    """

    name: str
    suffix: str
    keeps: bool
    """Whether a file can have the integers and ranges of a training in 8 bits (:meth:`trained`)."""
    weight_scales: tuple[str, ...]
    """Those of :data:`WEIGHT_SCALES` that it can quantise with."""

    def check_installed(self, bits: int) -> None:
        """Refuse what is not installed.

        Raises:
            SpecError: the message has the command that installs it.
        """
        ...

    def model_of(self, net: nn.Module, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        """``net`` in float32, with the normalisation of its images, for images (b, c, h, w) on the
        scale 0 to 1."""
        ...

    def floats(self, model: bytes) -> bytes:
        """The content of the file in 32 bits."""
        ...

    def quantised(self, model: bytes, batches: Iterable[Tensor], float_ends: bool, weight_scales: str) -> bytes:
        """The content of the file in 8 bits, with ranges from ``batches`` of such images.

        Args:
            float_ends: whether the first and the last layer stay in float.
            weight_scales: one of the form's.
        """
        ...

    def trained(self, net: BlockNet, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        """The content of the file of a network that was trained in 8 bits, with its integers and ranges;
        of forms that keep them."""
        ...

    def described(self, file: bytes, about: dict[str, Any]) -> bytes:
        """``file`` with its description in it, where the form has a place for one."""
        ...

    def logits_of(self, file: bytes, batches: Iterable[Tensor]) -> Tensor:
        """The logits (n, classes) that the form's runtime computes."""
        ...

    def versions(self) -> dict[str, str]:
        """The versions of the libraries that made and run the file."""
        ...


def find(name: str, python: Path | None = None) -> Form:
    """The form called ``name``.

    Args:
        python: the interpreter of a form that has an environment of its own.

    Raises:
        SpecError: no such form; or ``python`` for one that runs here.
    """
    if name not in NAMES:
        raise SpecError(f"to: {', '.join(NAMES)}, found {shown(name)}{nearest(name, NAMES)}")
    if python is not None and name not in APART:
        raise SpecError(f"python: {name} runs in this Python; leave --python out, or write --to {' or '.join(APART)}")
    module = importlib.import_module(f"didact.deploy.forms.{name}")
    return module.form(python)
