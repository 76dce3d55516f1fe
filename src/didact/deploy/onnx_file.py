"""A network as an ONNX file that needs nothing else: it takes images as they are, normalises them
itself, returns logits, and says in its metadata what it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from didact.deploy.engine import Unsupported, converted, session
from didact.nets.blocks import BlockNet, Shape
from didact.nets.folded import folded
from didact.spec import strict_json

KEY = "didact"
"""The entry of the file's metadata that holds the description, as JSON."""

LAYERS = ("Conv", "Gemm", "MatMul")

FORMAT = 1
"""Rises when the description is read otherwise."""


class Normalised(nn.Module):
    """``net`` for images that are not normalised yet: ``net((images - mean) / std)``."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (b, classes) of images (b, c, h, w) on the scale 0 to 1."""
        return self.net((images - self.mean) / self.std)


def model_of(net: nn.Module, image: Shape, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """``net``, in eval mode, as an ONNX model in float32: ``images`` (b, c, h, w) on the scale 0 to
    1 in, ``logits`` (b, classes) out, for any b. Norms are folded into convolutions.

    Raises:
        didact.deploy.engine.Unsupported: an operation has no counterpart; the message names it.
    """
    bare = folded(net) if isinstance(net, BlockNet) else net
    return converted(Normalised(bare, mean, std).eval(), image, ["logits"])


def ends(model: bytes) -> tuple[str, str]:
    """The names of the first and of the last node with weights: the layers next to the image and to
    the logits.

    Raises:
        didact.deploy.engine.Unsupported: there is none.
    """
    import onnx

    graph = onnx.load_from_string(model).graph
    weights = {weight.name for weight in graph.initializer}
    layers = [node.name for node in graph.node if node.op_type in LAYERS and weights & set(node.input)]
    if not layers:
        raise Unsupported("it has no layer with weights that could stay in float; leave --float-ends out")
    return layers[0], layers[-1]


def logits_of(model: bytes, batches: Iterable[Tensor]) -> Tensor:
    """The logits (n, classes) that ONNX Runtime computes for batches of images on the scale 0 to
    1."""
    runtime = session(model, torch.get_num_threads())
    rows = [runtime.run(["logits"], {"images": images.contiguous().numpy()})[0] for images in batches]
    return torch.cat([torch.from_numpy(row) for row in rows])


def described(model: bytes, about: dict[str, Any]) -> bytes:
    """``model`` with ``about`` as JSON in its metadata, under :data:`KEY`.

    The exporter's own notes go: they hold lines of source code and paths of the machine.
    """
    import onnx

    whole = onnx.load_from_string(model)
    graph = whole.graph
    for part in (whole, graph, *whole.functions, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for weight in graph.initializer:
        weight.ClearField("doc_string")
    onnx.helper.set_model_props(whole, {KEY: strict_json(about)})
    return whole.SerializeToString()
