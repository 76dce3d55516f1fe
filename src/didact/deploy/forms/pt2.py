"""PyTorch's own files (torch.export), run by torch.

In 8 bits the graph has integers for weights, and operators that quantise and dequantise in between
(torchao's PT2E with the quantiser for x86). Torch itself computes them one after the other, more
slowly than floats; ``torch.compile`` fuses them.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from didact.deploy.apart import logits_of
from didact.deploy.culprit import layer, unfollowed
from didact.deploy.decomposed import Decomposed
from didact.deploy.engine import Unsupported, first_cause, quiet
from didact.deploy.forms.contract import WEIGHT_SCALES, Form
from didact.deploy.onnx_file import KEY, Normalised
from didact.deploy.qdq import integral
from didact.nets.blocks import BlockNet, Shape
from didact.nets.folded import folded
from didact.spec import SpecError, installation, strict_json

LARGEST = 1024
"""Images of a pass at most."""


# the exporter's own notes, which hold lines of source code and paths of the machine
NOTES = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn")


class Pt2(Form):
    """See :class:`didact.deploy.forms.contract.Form`."""

    name = "pt2"
    suffix = ".pt2"
    keeps = True
    weight_scales = WEIGHT_SCALES

    def check_installed(self, bits: int) -> None:
        if bits != 8:
            return
        if find_spec("torchao") is None:
            raise SpecError(f"to: pt2 needs torchao for 8 bits, which is not installed: {installation('pt2')}")
        try:
            with quiet():
                importlib.import_module("torchao.quantization.pt2e")
        except ImportError as error:  # it names no version of torch among its requirements
            raise SpecError(
                f"to: pt2 needs torchao for 8 bits, and torchao {version('torchao')} cannot be imported with "
                f"torch {torch.__version__}: {error}; install another of its versions: for torch 2.9, pip install 'torchao<0.18'"
            ) from error

    def model_of(self, net: nn.Module, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        return saved(program_of(net, image, mean, std))

    def floats(self, model: bytes) -> bytes:
        return model

    def quantised(self, model: bytes, batches: Iterable[Tensor], float_ends: bool, weight_scales: str) -> bytes:
        from didact.deploy.lowering import Refused, integers

        with quiet():
            from torchao.quantization.pt2e import MinMaxObserver
            from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
                X86InductorQuantizer,
                get_default_x86_inductor_quantization_config,
            )

            kinds: Any = get_default_x86_inductor_quantization_config()
            if weight_scales == "layer":
                observer = MinMaxObserver.with_args(**kinds.weight.observer_or_fake_quant_ctr.p.keywords)
                weight = dataclasses.replace(
                    kinds.weight, qscheme=torch.per_tensor_symmetric, ch_axis=None, observer_or_fake_quant_ctr=observer
                )
                kinds = dataclasses.replace(kinds, weight=weight)
            quantiser = X86InductorQuantizer().set_global(kinds)
            net = torch.export.load(io.BytesIO(model)).module()
            _name_layers(net)
            try:
                with torch.no_grad():
                    return saved(integers(net, quantiser, batches, LARGEST, float_ends))
            except Refused as error:
                raise Unsupported(str(error)) from error

    def trained(self, net: BlockNet, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
        return saved(program_of(integral(net, Decomposed(signed=False)), image, mean, std))

    def described(self, file: bytes, about: dict[str, Any]) -> bytes:
        with quiet():
            program = torch.export.load(io.BytesIO(file))
            for node in program.graph.nodes:
                for note in NOTES:
                    node.meta.pop(note, None)
            return saved(program, {KEY: strict_json(about)})

    def logits_of(self, file: bytes, batches: Iterable[Tensor]) -> Tensor:
        return logits_of("pt2", file, self.suffix, batches, None)

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__} | ({"torchao": version("torchao")} if find_spec("torchao") else {})


def _name_layers(net: Any) -> None:
    """Note at each operator of which of torch's layers it is, for the quantiser. Later torches look
    for that among the exporter's notes; torch 2.9 would find no layer to quantise."""
    for node in net.graph.nodes:
        stack = node.meta.get("nn_module_stack")
        if node.op == "call_function" and stack and not node.meta.get("source_fn_stack"):
            path, kind = list(stack.values())[-1]
            if str(kind).startswith("torch.nn.modules."):
                node.meta["source_fn_stack"] = [(path, getattr(nn, kind.rpartition(".")[2], None))]


def form(python: Path | None) -> Pt2:
    """The form; ``python`` is not needed."""
    return Pt2()


def program_of(net: nn.Module, image: Shape, mean: Sequence[float], std: Sequence[float]) -> torch.export.ExportedProgram:
    """``net`` with the normalisation of its images as a program for any number of them.

    Raises:
        Unsupported: torch.export cannot follow the network's code.
    """
    bare = folded(net) if isinstance(net, BlockNet) else net
    dynamic = ({0: torch.export.Dim("batch", min=1, max=LARGEST)},)
    whole, images = Normalised(bare, mean, std).eval(), torch.zeros(2, *image)
    with quiet(), torch.no_grad():
        try:
            return torch.export.export(whole, (images,), dynamic_shapes=dynamic)
        except Exception as error:  # of the exporter, of the network's code: it may be any
            raise Unsupported(first_cause(error) + layer(whole, images, unfollowed)) from error


def saved(program: torch.export.ExportedProgram, extra: dict[str, Any] | None = None) -> bytes:
    """The bytes of the program's file."""
    place = io.BytesIO()
    program.example_inputs = None
    with quiet():
        torch.export.save(program, place, extra_files=extra)
    return place.getvalue()
