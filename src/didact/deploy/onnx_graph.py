"""The peak activation memory of an ONNX file for one image, computed from its graph.

The rules are those of :mod:`didact.deploy.activations`, with each tensor in the width that the file
gives it. Of a quantised file, a tensor is counted as it lies between two operators: a float that is
only read to be quantised is counted in 8 bits, and so is what is read through a
DequantizeLinear, because the runtime computes such operators in 8 bits.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from didact.deploy.activations import Step, Trace, peak

VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "DequantizeLinear")
"""Operators with an output that is their input, or is never stored."""

ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf")
OVER = (*ACTIVATIONS, "BatchNormalization", "Add", "Sub", "Mul", "Div")
"""Element-wise operators, which overwrite the only tensor that they read where nothing else reads
it."""


class UnknownShapeError(Exception):
    """A tensor of the graph has no shape that can be computed; the message names it."""


def activations(path: Path, image: list[int]) -> int:
    """Bytes of activations at their peak, of the file at ``path`` for one image of shape (c, h, w).

    Raises:
        UnknownShapeError: a shape is not known, or the graph has a part that runs by condition.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    _set_image(model.graph, image)
    model.graph.ClearField("value_info")
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # the library has several kinds
        raise UnknownShapeError(str(error).splitlines()[0][:200]) from None
    return peak(_trace(graph, _sizes(graph)))


def _set_image(graph: Any, image: list[int]) -> None:
    constants = {weight.name for weight in graph.initializer}
    given = next(value for value in graph.input if value.name not in constants)
    for size, dimension in zip([1, *image], given.type.tensor_type.shape.dim, strict=True):
        dimension.dim_value = size


def _sizes(graph: Any) -> dict[str, int]:
    """Bytes of every tensor with a known shape."""
    import onnx

    sizes: dict[str, int] = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        tensor = value.type.tensor_type
        dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        if tensor.HasField("shape") and None not in dims:
            width = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
            sizes[value.name] = width * math.prod(d for d in dims if d is not None)
    return sizes


def _trace(graph: Any, sizes: dict[str, int]) -> Trace:
    """The graph's operators on tensors that depend on the image."""
    constants = {weight.name for weight in graph.initializer}
    first = str(next(value.name for value in graph.input if value.name not in constants))
    readers: Counter[str] = Counter(name for node in graph.node for name in node.input)
    readers.update(value.name for value in graph.output)
    nodes, depends = list[Any](), {first}
    for node in graph.node:
        if depends & set(node.input):
            if any(attribute.HasField("g") for attribute in node.attribute):
                raise UnknownShapeError(f"{node.op_type} {node.name} runs a part of the graph by condition")
            depends |= set(node.output)
            nodes.append(node)
    own = _owners(nodes, depends - {first}, readers)
    numbers, counted, steps = {first: 0}, [_size(first, sizes)], list[Step]()
    for node in nodes:
        reads = tuple(dict.fromkeys(numbers[_stored(own, name)] for name in node.input if name in depends))
        new = [name for name in node.output if readers[name] and _stored(own, name) not in numbers]
        for name in dict.fromkeys(_stored(own, name) for name in new):
            numbers[name] = len(counted)
            counted.append(_size(name, sizes))
        writes = tuple(numbers[_stored(own, name)] for name in new)
        alike = bool(writes) and len(reads) == 1 and counted[reads[0]] == counted[writes[0]]
        steps.append(Step(node.op_type, reads, writes, alike and node.op_type in OVER))
    outputs = frozenset(numbers[_stored(own, value.name)] for value in graph.output if value.name in depends)
    return Trace(tuple(counted), tuple(steps), outputs)


def _owners(nodes: list[Any], depends: set[str], readers: Counter[str]) -> dict[str, str]:
    """The tensor that is stored, for each name that stands for another one."""
    own: dict[str, str] = {}
    for node in nodes:
        if node.op_type in VIEWS:
            given = node.input[0]
            own[node.output[0]] = _stored(own, given)
    for node in reversed(nodes):  # from a quantised tensor back to what is only computed to be quantised
        given = [name for name in node.input if name in depends]
        fused = node.op_type == "QuantizeLinear" or (node.op_type in OVER and node.output[0] in own)
        if fused and len(given) == 1 and readers[given[0]] == 1 and given[0] not in own:
            own[given[0]] = _stored(own, node.output[0])
    return own


def _stored(own: dict[str, str], name: str) -> str:
    """The tensor that ``name`` stands for."""
    return str(own.get(name, name))


def _size(name: str, sizes: dict[str, int]) -> int:
    if name not in sizes:
        raise UnknownShapeError(f"the shape of {name} is not known")
    return sizes[name]
