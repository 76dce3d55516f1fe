"""The parts of a network that was split: a stem, blocks and a head that run its own modules."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from didact.nets.blocks import Block, Head
from didact.nets.splitting.flow import Flow, attribute
from didact.nets.splitting.layout import Layout
from didact.nets.splitting.trace import ROOT
from didact.tensors import Feature, Logits


class Operations(nn.Module):
    """A row of a network's operations, with the network's own modules, parameters and buffers under their own names.

    Args:
        whole: the traced module.
        graph: one value in, one out.
        takes, gives: the layouts of the two.
    """

    def __init__(self, whole: nn.Module, graph: fx.Graph, takes: Layout, gives: Layout) -> None:
        super().__init__()
        self.takes, self.gives = takes, gives
        self.careful = False
        """Whether the operations would change what they are given."""
        for node in graph.nodes:
            if node.op in ("call_module", "get_attr") and node.target != "training":
                path = str(node.target).removeprefix(f"{ROOT}.")
                self.hold(whole, str(node.target), path)
                node.target = path
        written = graph.python_code("self")
        space = dict(written.globals)
        exec(written.src, space)
        self._run = space["forward"]

    def hold(self, whole: nn.Module, target: str, path: str) -> None:
        """Have what ``whole`` holds at ``target`` at ``path``, too: the same object."""
        *outer, name = path.split(".")
        owner: nn.Module = self
        for inner in outer:
            if inner not in owner._modules:
                owner.add_module(inner, nn.Module())
            owner = owner.get_submodule(inner)
        value = attribute(whole, target)
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            parent = attribute(whole, target.rpartition(".")[0])
            kept = name in parent._buffers and name not in parent._non_persistent_buffers_set
            if name not in owner._buffers:
                owner.register_buffer(name, value, persistent=kept)
        else:
            setattr(owner, name, value)

    def forward(self, x: Tensor) -> Tensor:
        x = self.takes.enter(x)
        return self.gives.leave(self._run(self, x.clone() if self.careful else x))


class Cut(Block):
    """A block of a network that was split.

    Attributes:
        takes, gives: class and register tokens that come in and go out with the tokens of the map.
    """

    def __init__(self, body: Operations, act: nn.Module | None) -> None:
        super().__init__(body, act)
        self.takes, self.gives = body.takes.extra, body.gives.extra

    def show(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """(what travels on, the same before its activation, None)."""
        pre = self.body(x)
        return self.act(pre), pre, None

    def forward(self, x: Tensor) -> Tensor:
        return self.show(x)[0]

    def feature(self, x: Tensor) -> Feature:
        assert isinstance(self.body, Operations)
        return self.body.gives.map(x) if self.gives and x.dim() == 3 else x


class CutHead(Head):
    """The head of a network that was split.

    ``body`` leads from the last feature to what the last linear layer reads, and ``classifier`` from there to the logits. The
    pooled vector is what lies between. Where that is still a map, as before a last convolution, it is the mean over positions;
    the classifier takes such a vector as a map of a single position.
    """

    def __init__(self, body: Operations, classifier: Operations) -> None:
        nn.Module.__init__(self)
        self.enter = None
        self.body = body
        self.classifier = classifier
        self.takes = body.takes.extra

    def forward(self, x: Tensor) -> Logits:
        return self.show(x)[0]

    def show(self, x: Tensor) -> tuple[Logits, Tensor, Tensor | None]:
        """(logits, pooled vector, None)."""
        assert isinstance(self.classifier, Operations)
        read = self.body(x)
        own = self.classifier.takes
        flat = own.map(read) if own.extra else read
        pooled = flat if flat.dim() == 2 else flat.mean((2, 3) if flat.dim() == 4 else 1)
        return self.classifier(read), pooled, None


def carve(known: Flow, nodes: list[fx.Node], ends: list[fx.Node], inputs: list[fx.Node]) -> fx.Graph:
    """The graph of ``nodes``, which are given ``inputs`` and give ``ends``: one value, or several vectors next to each other."""
    graph = fx.Graph()
    given = graph.placeholder("x")
    value: dict[fx.Node, Any] = {}
    if len(inputs) == 1:
        value[inputs[0]] = given
    else:
        at = 0
        for node in inputs:
            width = known.shapes[node][0]
            value[node] = graph.call_function(operator.getitem, (given, (slice(None), slice(at, at + width))))
            at += width
    inside = set(nodes)

    def copied(node: fx.Node) -> Any:
        if node not in value:
            if node in known.batch and node not in inside:
                value[node] = graph.call_method("size", (given, 0))
            elif node in known.fixed and node not in inside:
                value[node] = known.fixed[node]
            else:
                assert node in known.free or node in inside, f"{node} is not computed in this part"
                for source in node.all_input_nodes:
                    copied(source)
                value[node] = graph.node_copy(node, lambda n: value[n])
                if node.op == "call_method" and node.target == "view" and _sizes(node):
                    value[node].target = "reshape"  # the same, and of maps in another memory format too
        return value[node]

    for node in nodes:
        if node not in known.free and node not in value:
            copied(node)
    results = [copied(node) for node in ends]
    graph.output(results[0] if len(results) == 1 else graph.call_function(torch.cat, (results, 1)))
    return graph


def _sizes(view: fx.Node) -> bool:
    """Whether a call of ``view`` names sizes, and not a type."""
    return not view.kwargs and not any(isinstance(size, torch.dtype) for size in view.args)
