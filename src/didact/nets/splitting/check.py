"""Whether a network that was split still computes what it did."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from didact.nets.blocks import BlockNet
from didact.nets.splitting.parts import Operations
from didact.nets.splitting.whole import answer, mode
from didact.seeds import preserved


def protect(net: BlockNet, images: Tensor) -> None:
    """Have each part copy its input where its operations would change it in place: methods read
    features later.

    Args:
        images: a few samples; they show which parts do so.
    """
    changed: set[Operations] = set()

    def note(part: Any, inputs: tuple[Tensor, ...]) -> None:
        versions[part] = inputs[0]._version

    def compare(part: Any, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        if inputs[0]._version != versions[part]:
            changed.add(part)

    versions: dict[nn.Module, int] = {}
    parts = [part for part in net.modules() if isinstance(part, Operations)]
    hooks = [part.register_forward_pre_hook(note) for part in parts]
    hooks += [part.register_forward_hook(compare) for part in parts]
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    for training in (True, False):
        with torch.no_grad(), preserved(), mode(net, training=training):
            net(images.clone())
    for name, buffer in net.named_buffers():
        buffer.copy_(buffers[name])
    for hook in hooks:
        hook.remove()
    for part in changed:
        part.written = replace(part.written, careful=True)


def check(net: BlockNet, model: nn.Module, names: dict[str, str], images: Tensor) -> None:
    """Compare ``net`` with the ``model`` that it was made of: logits in eval mode, a training step,
    its random numbers.

    Args:
        names: the model's name of each entry of the net's state dict.

    Raises:
        ValueError: something differs, or is not finite; the message says what.
    """
    split, whole = copy.deepcopy(net), copy.deepcopy(model)
    pairs = [_step(network, images) for network in (whole, split)]
    kind = type(model).__name__
    if fault := _unteachable(whole, pairs[0][1]):
        raise ValueError(f"{kind} {fault}")
    for what, a, b in zip(("logits in eval mode", "logits in training mode", "random numbers"), *pairs, strict=False):
        if not _same(a, b):
            raise ValueError(
                f"{kind} gives other {what} once it is split; its forward depends on something that is not followed"
            )
    entries = dict(whole.named_parameters(remove_duplicate=False)) | dict(whole.named_buffers(remove_duplicate=False))
    parts = dict(split.named_parameters(remove_duplicate=False)) | dict(split.named_buffers(remove_duplicate=False))
    for name, tensor in parts.items():
        entry = entries.get(names.get(name, ""))
        if entry is not None and not (_same(entry.detach(), tensor.detach()) and _same(entry.grad, tensor.grad)):
            raise ValueError(f"{kind}: {names[name]} learns otherwise once the network is split (part {name})")


def _step(net: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits in eval mode, logits in training mode, and the state of the random generator after a
    training step.
    """
    with preserved():
        torch.manual_seed(0)
        with mode(net, training=False), torch.no_grad():
            evaluated = answer(net(images.clone()))
        torch.manual_seed(1)
        with mode(net, training=True), torch.enable_grad():
            logits = answer(net(images.clone()))
            weights = torch.linspace(-1, 1, logits.numel()).to(logits).view(logits.shape)
            if logits.requires_grad:  # not where the whole network is frozen
                (logits * weights).sum().backward()
        return evaluated, logits.detach(), torch.get_rng_state()


def _unteachable(net: nn.Module, logits: Tensor) -> str | None:
    """What is not finite after a step in training mode that gave ``logits``; None where all is."""
    if not bool(logits.isfinite().all()):
        return "gives logits that are not finite in training mode, for a few images of noise, but not in eval mode"
    for name, value in net.named_parameters():
        if value.grad is not None and not bool(value.grad.isfinite().all()):
            return (
                f"has a gradient that is not finite at {name}, for a few images of noise; a root, a norm or a logarithm has "
                "none at 0: add a small number below it"
            )
    return None


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan()) if a.is_floating_point() else a == b).all())
