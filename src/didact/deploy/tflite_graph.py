"""The peak activation memory of a TFLite file for one image, computed from its graph.

The rules are those of :mod:`didact.deploy.activations`, with each tensor in the width that the file
gives it. Activation functions lie in the operators before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from didact.deploy.activations import Step, Trace, peak

VIEWS = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Operators with an output that is their input."""

OVER = ("ADD", "SUB", "MUL", "DIV", "RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH")
"""Element-wise operators, which overwrite the only tensor that they read where nothing else reads
it."""


def activations(graph: Mapping[str, Any]) -> int:
    """Bytes of activations at their peak.

    Args:
        graph: of a file as :mod:`didact.deploy.runner` answers: ``steps``, ``bytes``, ``given``,
            ``wanted``.
    """
    sizes = {int(tensor): size for tensor, size in graph["bytes"].items()}
    (image,) = graph["given"]
    readers = Counter(tensor for _, inputs, _ in graph["steps"] for tensor in dict.fromkeys(inputs))
    readers.update(graph["wanted"])
    number, counted, steps = {image: 0}, [sizes[image]], list[Step]()
    for name, inputs, outputs in graph["steps"]:
        reads = tuple(dict.fromkeys(number[tensor] for tensor in inputs if tensor in number))
        if not reads:
            continue  # computed from weights alone
        if name in VIEWS:
            number[outputs[0]] = reads[0]
            continue
        for tensor in outputs:
            number[tensor] = len(counted)
            counted.append(sizes[tensor] if readers[tensor] else 0)
        writes = tuple(number[tensor] for tensor in outputs)
        alike = len(reads) == 1 and counted[reads[0]] == counted[writes[0]]
        steps.append(Step(name, reads, writes, alike and name in OVER))
    return peak(Trace(tuple(counted), tuple(steps), frozenset(number[tensor] for tensor in graph["wanted"])))
