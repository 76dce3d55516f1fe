"""What keeps a network from being trained, whatever its parts are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from didact.nets.splitting import answers


def of_parameters(net: nn.Module) -> str | None:
    """Why its parameters cannot be trained; None where they can."""
    parameters = dict(net.named_parameters())
    for name, value in parameters.items():
        if is_lazy(value):
            return f"{name} has no shape before the first images; show it some where it is made"
        if value.is_floating_point() and value.dtype != torch.float32:
            kind = str(value.dtype).removeprefix("torch.")
            return f"{name} is {kind}, and didact trains float32: call .float() on it; fewer bits are the setting precision"
    devices = {value.device: name for name, value in parameters.items()}
    if len(devices) > 1:
        places = " and ".join(f"{name} on {device}" for device, name in list(devices.items())[:2])
        return f"its parameters are on several devices, {places}; make all on one, which didact moves"
    return None


def of_logits(net: nn.Module, few: Tensor, many: Tensor, images: Tensor) -> str | None:
    """Why logits of fewer and of more images, (b, k) each, are no classifier's; None where they
    may be. The network is in eval mode.

    Args:
        images: those of ``many``; the first of them are those of ``few``.
    """
    if not few.is_floating_point():
        return f"returns {str(few.dtype).removeprefix('torch.')}; a classifier returns logits, which are floats"
    if few.shape[1] != many.shape[1]:
        return (
            f"returns {few.shape[1]} logits for each of {len(few)} images and {many.shape[1]} for each of {len(many)}; "
            "their number is that of the classes"
        )
    if few.is_meta:
        return None
    fault = answers.not_finite(net, many, images) or answers.by_chance(net, images[: len(few)])
    if fault or not answers.unlike(few, many[: len(few)]):
        return fault
    norms = [name for name, part in net.named_modules() if getattr(part, "track_running_stats", None) is False]
    norms = [name for name in norms if "Instance" not in type(net.get_submodule(name)).__name__]
    why = f" ({norms[0]} keeps no running statistics)" if norms else ""
    return (
        f"gives an image other logits beside other images, in eval mode, too{why}; then a test depends on its batches: use "
        "nothing of the batch in eval mode"
    )
