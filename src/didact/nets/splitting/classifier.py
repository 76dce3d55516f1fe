"""The layers that give a network's logits."""

from __future__ import annotations

from typing import cast

from torch import Tensor, fx, nn

from didact.nets.splitting.flow import Flow, single
from didact.nets.splitting.points import LINEAR
from didact.nets.splitting.whole import ROOT, Whole


def last_layers(whole: Whole, known: Flow) -> list[fx.Node]:
    """The linear layers and convolutions after which no other comes on the way to the logits;
    several, where logits are averaged.

    Raises:
        ValueError: there is a way from the images to the logits without such a layer.
    """
    layers: dict[fx.Node, None] = {}
    ahead, seen = [known.nodes[-1]], set()
    while ahead:
        node = ahead.pop()
        if node in seen or not known.travels(node):
            continue
        seen.add(node)
        if node.op == "placeholder":
            raise ValueError(
                f"no linear layer or convolution gives the logits of {type(whole.net).__name__}; add one at its end"
            )
        if _linear(whole, node):
            layers[node] = None
        else:
            ahead += node.all_input_nodes
    return sorted(layers, key=known.index.__getitem__)


def _linear(whole: Whole, node: fx.Node) -> bool:
    if node.op == "call_module":
        parts = whole.get_submodule(str(node.target)).modules()
        return any(isinstance(part, nn.Linear | nn.Conv2d) for part in parts)
    return node.op == "call_function" and node.target in LINEAR


def pooled(whole: Whole, known: Flow, after: int) -> list[fx.Node]:
    """What the last layers read: one value, or several vectors. The last single value before them
    where that is a vector from which all of theirs are computed, as where one vector is normalised
    for each of two heads, and where the logits need more.

    Args:
        after: the last cut; what is returned comes no earlier.
    """
    layers = last_layers(whole, known)
    reads = list(dict.fromkeys(cast("fx.Node", node.all_input_nodes[0]) for node in layers))
    reads = [node for node in reads if node not in known.free]
    flat = len(reads) == 1 or all(len(known.shapes.get(node, ())) == 1 for node in reads)
    stop = min(known.index[node] for node in layers)
    before = known.nodes[max(i for i in single(known) if after <= i < stop and known.nodes[i] in known.shapes)]
    if len(reads) > 1 and len(known.shapes[before]) == 1:
        return [before]
    if reads and flat and all(node in known.shapes for node in reads) and _enough(known, reads):
        return reads
    return [before]


def _enough(known: Flow, reads: list[fx.Node]) -> bool:
    """Whether the logits are a function of these values."""
    ahead, seen = [known.nodes[-1]], set(reads)
    while ahead:
        node = ahead.pop()
        if node.op == "placeholder":
            return False
        if node not in seen and known.travels(node):
            seen.add(node)
            ahead += node.all_input_nodes
    return True


def resize(whole: Whole, known: Flow, num_classes: int) -> None:
    """Put new last layers for ``num_classes`` in place of the network's, drawn as torch draws them.

    Raises:
        ValueError: a last layer is no ordinary linear layer or convolution.
    """
    for node in last_layers(whole, known):
        layer = whole.get_submodule(str(node.target)) if node.op == "call_module" else None
        path = str(node.target).removeprefix(f"{ROOT}.")
        if type(layer) is nn.Linear:
            fresh: nn.Module = nn.Linear(layer.in_features, num_classes, layer.bias is not None)
        elif type(layer) is nn.Conv2d and layer.groups == 1 and isinstance(layer.padding, tuple):
            shape = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            fresh = nn.Conv2d(layer.in_channels, num_classes, *shape, bias=layer.bias is not None)  # type: ignore[arg-type]
        else:
            kind = getattr(node.target, "__name__", path) if layer is None else f"{path} ({type(layer).__name__})"
            raise ValueError(
                f"the logits of {type(whole.net).__name__} come from {kind}, which is no nn.Linear or nn.Conv2d; "
                "make the network with the right number of classes"
            )
        weight = cast("Tensor", layer.weight)
        fresh.to(weight.device, weight.dtype).train(layer.training)
        if len(weight) == num_classes:
            continue
        parent, _, name = str(node.target).rpartition(".")
        owner = whole.get_submodule(parent)
        count = getattr(owner, "num_classes", None)
        if count == weight.shape[0]:
            owner.num_classes = num_classes  # type: ignore[assignment]
        setattr(owner, name, fresh)
