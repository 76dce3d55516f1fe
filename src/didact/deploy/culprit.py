"""Which layer of a network an exporter cannot take."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Fails = Callable[[nn.Module, tuple[Tensor, ...]], bool]
"""Whether a module with these inputs cannot be exported."""


def unfollowed(part: nn.Module, given: tuple[Tensor, ...]) -> bool:
    """Whether torch.export cannot follow the code of ``part``."""
    try:
        torch.export.export(part, given)
    except Exception:  # of the exporter, of the network's code: it may be any
        return True
    return False


def layer(net: nn.Module, images: Tensor, fails: Fails) -> str:
    """The innermost layer of ``net`` that fails alone, as " (in blocks.1.body.0, a Strange)"; nothing
    where none does.

    Args:
        images: that the network can compute, (b, c, h, w).
        fails: tries a part with the inputs that it has in ``net``.
    """
    given = _inputs(net, images)
    path, part = "", net
    while True:
        found = next(((name, child) for name, child in _children(part, given) if fails(child, given[child])), None)
        if found is None:
            return f" (in {path}, a {type(part).__name__})" if path else ""
        path, part = f"{path}.{found[0]}" if path else found[0], found[1]


def _children(part: nn.Module, given: dict[nn.Module, tuple[Tensor, ...]]) -> list[tuple[str, nn.Module]]:
    """The parts of ``part`` that are called; those of a list stand for the list."""
    found: list[tuple[str, nn.Module]] = []
    for name, child in part.named_children():
        inner = [(name, child)] if child in given else [(f"{name}.{n}", c) for n, c in _children(child, given)]
        found += inner
    return found


def _inputs(net: nn.Module, images: Tensor) -> dict[nn.Module, tuple[Tensor, ...]]:
    """The inputs of every part that is called with tensors only."""
    given: dict[nn.Module, tuple[Tensor, ...]] = {}

    def keep(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not kwargs and all(isinstance(one, Tensor) for one in args):
            given.setdefault(part, tuple(one.detach().clone() for one in args))

    hooks = [part.register_forward_pre_hook(keep, with_kwargs=True) for part in net.modules() if part is not net]
    try:
        with torch.no_grad(), contextlib.suppress(Exception):  # then only what was called before is known
            net(images)
    finally:
        for hook in hooks:
            hook.remove()
    return given
