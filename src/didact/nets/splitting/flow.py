"""The values of a traced graph: their shapes, and after which of them a single value goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from didact.nets.dry import Shape
from didact.nets.splitting.sizes import LARGE, SMALL
from didact.nets.splitting.whole import Whole


@dataclass
class Flow:
    """The nodes of a graph and what is known of their values.

    Attributes:
        shapes: of tensors that have one row for each image, without the batch.
        constant: what does not depend on the images.
        free: what does not depend on the images but for their size; any part can compute it for
            itself.
        batch: sizes of the batch; any part can read it from what it is given.
        devices: where the images are; likewise.
        fixed: other numbers that are the same for every batch, such as height and width. A part
            that needs one computed by an earlier part has it as it was for the images of the split.
        state: the entries of the state dict that a node reads, by identity.
    """

    nodes: list[fx.Node]
    index: dict[fx.Node, int]
    shapes: dict[fx.Node, Shape] = field(default_factory=dict)
    constant: set[fx.Node] = field(default_factory=set)
    free: set[fx.Node] = field(default_factory=set)
    batch: set[fx.Node] = field(default_factory=set)
    devices: set[fx.Node] = field(default_factory=set)
    fixed: dict[fx.Node, Any] = field(default_factory=dict)
    state: dict[fx.Node, set[int]] = field(default_factory=dict)

    def travels(self, node: fx.Node) -> bool:
        """Whether the node's value can only come from the part that computes it."""
        return all(node not in some for some in (self.free, self.batch, self.fixed, self.devices))


class _Watch(fx.Interpreter):
    """Runs a graph and notes sizes and shapes."""

    def __init__(self, whole: Whole, graph: fx.Graph) -> None:
        super().__init__(whole, graph=graph)
        self.shapes: dict[fx.Node, Shape] = {}
        self.numbers: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = tuple(value.shape)
        elif isinstance(value, int | float) or (isinstance(value, tuple) and all(isinstance(x, int | float) for x in value)):
            self.numbers[n] = value
        return value


def flow(whole: Whole, graph: fx.Graph, images: Tensor) -> Flow:
    """What is known of the values of the graph, from running it on two batches.

    Args:
        images: of :data:`LARGE` samples; the smaller batch is the first of them.
    """
    runs = []
    for size in (SMALL, LARGE):
        watch = _Watch(whole, graph)
        watch.run(images[:size].clone())
        runs.append(watch)
    nodes = list(graph.nodes)
    known = Flow(nodes, {node: i for i, node in enumerate(nodes)})
    stored = {id(tensor) for tensor in whole.state_dict(keep_vars=True).values()}
    for node in nodes:
        small, large = (run.shapes.get(node, ()) for run in runs)
        numbers = [run.numbers.get(node) for run in runs]
        if (small[:1], large[:1]) == ((SMALL,), (LARGE,)):
            known.shapes[node] = small[1:]
        elif numbers == [SMALL, LARGE]:
            known.batch.add(node)
        elif node.target is getattr and node.args[1] == "device" and node.all_input_nodes[0] not in known.constant:
            known.devices.add(node)
        elif numbers[0] is not None and numbers[0] == numbers[1]:
            known.fixed[node] = numbers[0]
        effect = node.op.startswith("call") and not node.users
        if node.op not in ("placeholder", "output", "call_module") and not effect:
            if known.constant.issuperset(node.all_input_nodes):
                known.constant.add(node)
            sized = all(s in known.free or s in known.fixed or s in known.devices for s in node.all_input_nodes)
            if node in known.constant or (sized and node not in {*known.fixed, *known.devices} and not _draws(node)):
                known.free.add(node)
        entries = {id(tensor) for tensor in _tensors(whole, node)} & stored
        known.state[node] = entries.union(*(known.state[source] for source in node.all_input_nodes if source in known.free))
    return known


def _draws(node: fx.Node) -> bool:
    """Whether the node's value is random; then it can be computed only once."""
    name = str(getattr(node.target, "__name__", node.target))
    return any(word in name for word in ("rand", "dropout", "bernoulli", "normal", "multinomial", "poisson", "uniform"))


def _tensors(whole: nn.Module, node: fx.Node) -> Iterable[Tensor]:
    if node.op == "call_module":
        part = whole.get_submodule(str(node.target))
        return [*part.parameters(), *part.buffers()]
    value = attribute(whole, str(node.target)) if node.op == "get_attr" and node.target != "training" else None
    return [value] if isinstance(value, Tensor) else []


def attribute(whole: nn.Module, path: str) -> Any:
    """What a module holds at a path with dots."""
    value: Any = whole
    for name in path.split("."):
        value = getattr(value, name)
    return value


def single(known: Flow) -> list[int]:
    """The indices of nodes after which nothing but their own value is needed, and no entry of the
    state dict is read again.
    """
    travelling = [node for node in known.nodes if known.travels(node)]
    ends = {node: max((known.index[user] for user in node.users), default=-1) for node in travelling}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for node in travelling:
        for tensor in known.state[node]:
            first.setdefault(tensor, known.index[node])
            last[tensor] = known.index[node]
    barred = {i for tensor, start in first.items() for i in range(start, last[tensor])}
    indices, needed = [], -1
    for node in travelling:
        i = known.index[node]
        if needed <= i < ends[node] and i not in barred:
            indices.append(i)
        needed = max(needed, ends[node])
    return indices


def device_of(net: nn.Module) -> torch.device:
    """Where the network's parameters are."""
    return next((p.device for p in net.parameters()), torch.device("cpu"))
