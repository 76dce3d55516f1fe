"""Networks that compute with the values that they have in 8 bits, in training and afterwards."""

from __future__ import annotations

from typing import Any

from torch import nn

from didact.nets.blocks import BlockNet
from didact.nets.quantised.layers import INPUT, OUTPUT, QUANTISED, Folds, Quantiser, quantise_output
from didact.nets.quantised.points import Points, points

__all__ = ["Points", "Quantiser", "hold", "is_range", "points", "quantise", "settle", "unseen"]


def quantise(net: BlockNet, where: Points, weight_scales: str = "channel") -> BlockNet:
    """Make ``net`` compute with the values that it has in 8 bits, in place. Parameters, their names
    and all buffers stay; ranges of activations come as further buffers (:func:`is_range`).

    Args:
        where: as :func:`points` gives it for this network, or for another one of its structure.
        weight_scales: "channel": a scale for each output channel of a layer's weights; "layer": one
            for all of them, with the norm behind the layer folded in.
    """
    parts: dict[str, Any] = dict(net.named_modules())
    device = next(net.parameters()).device
    for path in where.outputs:
        parts[path].add_module(OUTPUT, Quantiser().to(device))
        parts[path].register_forward_hook(quantise_output)
    for path, source in where.sources.items():
        own = Quantiser().to(device) if source == path else None
        norm = where.norms.get(path, "")
        folds = Folds(parts[norm] if norm else None) if weight_scales == "layer" else None
        _become(parts[path], own, source, path in where.carried, norm, folds)
    return net


def _become(layer: Any, own: Quantiser | None, source: str, carried: bool, norm: str, folds: Folds | None) -> None:
    """Make a convolution or linear layer a quantised one, with the attributes of those."""
    layer.__class__ = QUANTISED[type(layer)]
    layer.add_module(INPUT, own)
    layer.source, layer.carried, layer.norm, layer.folds = source, carried, norm, folds


def hold(net: nn.Module) -> None:
    """Norms that layers with one scale fold in keep their statistics until ``net`` is put into train
    mode again. They would follow what the scale does to the layer, and the scale follows them: a
    channel that is rounded to zeros would raise it for all others."""
    for module in net.modules():
        folds = getattr(module, "folds", None)
        if isinstance(folds, Folds) and folds.norm is not None:
            folds.norm.training = False  # its output's range is a part of it, and follows


def unseen(net: nn.Module) -> list[str]:
    """The paths of the activations that ``net`` rounds to 8 bits and that have no range, because no
    image was shown in train mode."""
    quantisers = [(path, part) for path, part in net.named_modules() if isinstance(part, Quantiser)]
    return [path.rpartition(".")[0] for path, part in quantisers if not part.seen]


def settle(net: nn.Module) -> None:
    """Norms keep their statistics and activations their ranges until ``net`` is put into train mode
    again. They follow on as long as there is no range: a method may begin with epochs in which the
    network is not run."""
    if not any(part.seen for part in net.modules() if isinstance(part, Quantiser)):
        return
    for module in net.modules():
        if isinstance(module, Quantiser | nn.modules.batchnorm._BatchNorm):
            module.eval()


def is_range(name: str) -> bool:
    """Whether a name in a state dict is that of the range of an activation."""
    return name.rpartition(".")[0].rpartition(".")[2] in (INPUT, OUTPUT)
