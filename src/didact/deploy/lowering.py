"""Makes files for devices from a network that torch.export saved. A program of its own, for a
Python that has torch and the packages of the form:

    python lowering.py

It reads a request from standard input and answers on standard output, a line of JSON each:

    {"do": "executorch", "network": "net.pt2", "file": "net.pte", "images": "images.npy", "float_ends": false,
     "weight_scales": "channel"}
        {"versions": {"executorch": "1.5.1", "torch": "2.13.0"}}

``images`` are those from which the ranges of activations are taken, (n, c, h, w); null for float32.
``weight_scales``: weights in 8 bits have a scale for each output "channel", or one for the "layer".
An answer with ``error`` says what is wrong, ``lacking`` names a library that is not installed, and
``errno`` is the number of an error of the system.
Nothing of didact is imported.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import torch

LARGEST = 32
"""Images of a pass of an ExecuTorch file at most: memory for them is planned beforehand. Not fewer
than 16: the exporter would take its example for a bound."""

BATCH = 64
TFLITE_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")
FUSED = ("relu", "relu_", "hardtanh", "hardtanh_")
"""What XNNPACK computes together with the layer before it."""

OF_WEIGHTS = ("dequantize_per_channel", "dequantize_per_tensor")
"""What makes floats of integers of weights, with a scale each or one for all."""

LAYERS = ("conv1d", "conv2d", "linear", "convolution", "addmm")


def executorch(
    net: torch.nn.Module, image: list[int], images: torch.Tensor | None, float_ends: bool, weight_scales: str
) -> bytes:
    """The network for ExecuTorch's XNNPACK on processors."""
    from executorch.backends.xnnpack.partition import xnnpack_partitioner  # pyright: ignore[reportMissingImports]
    from executorch.exir import to_edge_transform_and_lower  # pyright: ignore[reportMissingImports]

    if images is None:
        _for_xnnpack(net)
        program = exported(net, image, LARGEST)
    else:
        from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack  # pyright: ignore[reportMissingImports]

        kinds = xnnpack.get_symmetric_quantization_config(is_per_channel=weight_scales == "channel")
        quantiser = xnnpack.XNNPACKQuantizer().set_global(kinds)
        program = integers(net, quantiser, images.split(BATCH), LARGEST, float_ends)
    lowered = to_edge_transform_and_lower(program, partitioner=[xnnpack_partitioner.XnnpackPartitioner()])
    return bytes(lowered.to_executorch().buffer)


def tflite(
    net: torch.nn.Module, image: list[int], images: torch.Tensor | None, float_ends: bool, weight_scales: str
) -> bytes:
    """The network for LiteRT. In 8 bits images and logits stay in float."""
    import tempfile
    from pathlib import Path

    import litert_torch  # pyright: ignore[reportMissingImports]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.tflite")
        litert_torch.convert(net, (torch.zeros(1, *image),)).export(str(path))
        if images is None:
            return path.read_bytes()
        from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe  # pyright: ignore[reportMissingImports]
        from ai_edge_quantizer.algorithm_manager import AlgorithmName  # pyright: ignore[reportMissingImports]
        from ai_edge_quantizer.utils.qsv_utils import min_max_update  # pyright: ignore[reportMissingImports]

        made = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
        for place in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
            made.update_quantization_recipe(".*", place, algorithm_key=AlgorithmName.NO_QUANTIZE)
        for name, kind in tflite_ends(str(path)) if float_ends else ():
            scope = rf"(^|;){re.escape(name)}(;|$)"
            made.update_quantization_recipe(scope, qtyping.TFLOperationName(kind), algorithm_key=AlgorithmName.NO_QUANTIZE)
        given = {"serving_default": [{"args_0": one.numpy()} for one in images.split(1)]}
        # the quantiser's own calibrate averages the ranges of the last 20 images or so, and cuts off what is beyond
        ranges = calibrator.Calibrator(str(path), qsv_update_func=min_max_update)
        ranges.calibrate(given, made._recipe_manager)
        return bytes(made.quantize(ranges.get_model_qsvs()).quantized_model)


def tflite_ends(file: str) -> list[tuple[str, str]]:
    """The output of the first and of the last operator with weights, by name, and the operator's
    kind."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType  # pyright: ignore[reportMissingImports]

    # a delegate would stand for the operators that it takes over
    bare = Interpreter(model_path=file, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    names = {int(one["index"]): str(one["name"]) for one in bare.get_tensor_details()}
    layers = [one for one in bare._get_ops_details() if one["op_name"] in TFLITE_LAYERS]
    return [(names[int(one["outputs"][0])], str(one["op_name"])) for one in (*layers[:1], *layers[-1:])]


def exported(net: torch.nn.Module, image: list[int], largest: int) -> torch.export.ExportedProgram:
    """The program of ``net`` for 1 to ``largest`` images."""
    dynamic = ({0: torch.export.Dim("batch", min=1, max=largest)},)
    return torch.export.export(net, (torch.zeros(min(largest, 32), *image),), dynamic_shapes=dynamic)


def integers(
    net: Any, quantiser: Any, batches: Iterable[torch.Tensor], largest: int, float_ends: bool
) -> torch.export.ExportedProgram:
    """The program of ``net`` in 8 bits, for 1 to ``largest`` images.

    Args:
        quantiser: of torchao's PT2E; it says which operators are quantised, and how.
        batches: images (b, c, h, w) from which the ranges of activations are taken.
        float_ends: whether the first and the last layer with weights stay in float.

    Raises:
        Refused: there is no layer that can be quantised.
    """
    from torchao.quantization.pt2e import move_exported_model_to_eval
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    if float_ends:
        annotate = quantiser.annotate
        quantiser.annotate = lambda model: _without_ends(annotate(model))
    prepared = prepare_pt2e(net, quantiser)
    if not any(node.meta.get("quantization_annotation") for node in prepared.graph.nodes):
        raise Refused("none of its layers can be quantised; write it in 32 bits")
    image: list[int] = []
    for images in batches:
        prepared(images)
        image = list(images.shape[1:])
    made = convert_pt2e(prepared)
    move_exported_model_to_eval(made)
    _drop_floats(made)
    return exported(made, image, largest)


def _for_xnnpack(net: Any) -> None:
    """Bring the integers of a network that was trained in 8 bits into the form that XNNPACK takes;
    nothing happens to one in floats.

    Each reader has a dequantisation of its own. XNNPACK computes a layer in integers if its output
    becomes integers, too, at most behind a ReLU. Other layers, such as the one that gives logits,
    get floats: the values of their integers.
    """
    for node in [node for node in net.graph.nodes if _kind(node) == "dequantize_per_tensor"]:
        for reader in list(node.users)[1:]:
            with net.graph.inserting_before(reader):
                reader.replace_input_with(node, net.graph.node_copy(node))
    for node in [node for node in net.graph.nodes if _kind(node) in OF_WEIGHTS and node.args[0].op == "get_attr"]:
        (layer,) = node.users
        after = list(layer.users)
        if len(after) == 1 and _kind(after[0]) in FUSED:
            after = list(after[0].users)
        if [_kind(reader) for reader in after] != ["quantize_per_tensor"]:
            given = [_held(net, str(one.target)) if isinstance(one, torch.fx.Node) else one for one in node.args]
            name = f"floats_of_{node.name}"
            net.register_buffer(name, node.target(*given))
            with net.graph.inserting_before(node):
                node.replace_all_uses_with(net.graph.get_attr(name))
    net.graph.eliminate_dead_code()
    net.recompile()


def _held(net: Any, name: str) -> Any:
    """A tensor of a network, by its path."""
    place, _, last = name.rpartition(".")
    return getattr(net.get_submodule(place), last)


def _drop_floats(made: Any) -> None:
    """Remove the float weights that integers have replaced."""
    used = {node.target for node in made.graph.nodes if node.op == "get_attr"}
    for name in [name for name, _ in made.named_parameters() if name not in used]:
        place, _, last = name.rpartition(".")
        delattr(made.get_submodule(place), last)


def _without_ends(model: Any) -> Any:
    """The annotated graph; its first and its last layer are not quantised."""
    layers = [node for node in model.graph.nodes if node.op == "call_function" and _kind(node) in LAYERS]
    for node in (*layers[:1], *layers[-1:]):
        node.meta.pop("quantization_annotation", None)
    return model


def _kind(node: Any) -> str:
    return str(getattr(node.target, "overloadpacket", node.target)).rpartition(".")[2]


FORMS = {"executorch": executorch, "tflite": tflite}
PACKAGES = {"executorch": "executorch", "tflite": "litert-torch"}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Make the file of a request: see the head of this file."""
    import numpy as np

    if asked["do"] == "executorch":
        importlib.import_module("executorch.exir")  # it knows the operations of integers, which the network may have
    program = torch.export.load(asked["network"])
    given = next(node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs)
    image = [int(size) for size in given.meta["val"].shape[1:]]
    net = program.module()
    images = None if asked["images"] is None else torch.from_numpy(np.load(asked["images"]))
    try:
        with torch.no_grad():
            made = FORMS[asked["do"]](net, image, images, asked["float_ends"], asked["weight_scales"])
    except (ModuleNotFoundError, Refused, OSError):
        raise
    except Exception as error:  # of an exporter, which has many kinds
        raise Refused(first_lines(error) + layer_of(program, str(error))) from error
    with open(asked["file"], "wb") as file:
        file.write(made)
    return {"versions": {name: version(name) for name in ("torch", PACKAGES[asked["do"]])}}


class Refused(Exception):
    """The form cannot hold the network; the message says why, and names the layer where it is known."""


def layer_of(program: torch.export.ExportedProgram, error: str) -> str:
    """The layer with the first operator that ``error`` names, as " (in body.1, a Bessel)"; nothing
    where it names none."""
    for node in program.graph.nodes:
        kind = _kind(node) if node.op == "call_function" else ""
        inside = list(node.meta.get("nn_module_stack", {}).values())
        if kind and inside and re.search(rf"\b(aten|prims)(::|\.|_){re.escape(kind)}(?!\w)", error):
            path, what = inside[-1]
            path = re.sub(r"^L\['self'\]\.?|^net\.", "", path)
            return f" (in {path}, a {getattr(what, '__name__', str(what).rpartition('.')[2])})" if path else ""
    return ""


def first_lines(error: Exception) -> str:
    """What an exporter says, in a line or two."""
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300]}"


def main() -> None:
    """Answer until standard input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except ModuleNotFoundError as error:
            reply = {"error": str(error), "lacking": error.name}
        except Refused as error:
            reply = {"error": str(error)}
        except OSError as error:
            reply = {"error": str(error.strerror), "errno": error.errno}
        except Exception as error:  # of torch, which has many kinds
            reply = {"error": first_lines(error)}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
