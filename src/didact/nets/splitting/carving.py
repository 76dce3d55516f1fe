"""A part of a network's graph as a graph of its own: one value in, one value out."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from didact.nets.splitting.flow import Flow


def carve(
    known: Flow, nodes: list[fx.Node], ends: list[fx.Node], inputs: list[fx.Node], borrowed: set[fx.Node] | None = None
) -> fx.Graph:
    """The graph of ``nodes``, which take the values of ``inputs`` and give those of ``ends``: one
    value, or several vectors next to each other.

    Args:
        borrowed: numbers that other parts compute, and that stay as they were for the images of the
            split, are added to it.
    """
    graph = fx.Graph()
    x = graph.placeholder("x")
    value: dict[fx.Node, Any] = {}
    if len(inputs) == 1:
        value[inputs[0]] = x
    else:
        at = 0
        for node in inputs:
            width = known.shapes[node][0]
            value[node] = graph.call_function(operator.getitem, (x, (slice(None), slice(at, at + width))))
            at += width
    inside = set(nodes)

    def copied(node: fx.Node) -> Any:
        if node not in value:
            if node in known.batch and node not in inside:
                value[node] = graph.call_method("size", (x, 0))
            elif node in known.devices and node not in inside:
                value[node] = graph.call_function(getattr, (x, "device"))
            elif node in known.fixed and node not in inside:
                value[node] = known.fixed[node]
                if borrowed is not None and node not in known.constant:
                    borrowed.add(node)
            else:
                assert node in known.free or node in inside, f"{node} is not computed in this part"
                for source in node.all_input_nodes:
                    copied(source)
                value[node] = graph.node_copy(node, lambda n: value[n])
                _follow_device(graph, value[node], x)
                if node.op == "call_method" and node.target == "view" and _sizes(node):
                    value[node].target = "reshape"  # the same, and of maps in another memory format too
        return value[node]

    for node in nodes:
        if node not in known.free and node not in value:
            copied(node)
    results = [copied(node) for node in ends]
    graph.output(results[0] if len(results) == 1 else graph.call_function(torch.cat, (results, 1)))
    return graph


def _follow_device(graph: fx.Graph, node: fx.Node, given: fx.Node) -> None:
    """Replace a device that was written down while the network was traced by that of the part's
    input.
    """

    def now(value: Any) -> Any:
        if not isinstance(value, torch.device):
            return value
        with graph.inserting_before(node):
            return graph.call_function(getattr, (given, "device"))

    node.args = fx.node.map_aggregate(node.args, now)  # type: ignore[assignment]
    node.kwargs = fx.node.map_aggregate(node.kwargs, now)  # type: ignore[assignment]


def _sizes(view: fx.Node) -> bool:
    """Whether a call of ``view`` names sizes, and not a type."""
    return not view.kwargs and not any(isinstance(size, torch.dtype) for size in view.args)
