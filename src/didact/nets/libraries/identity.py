"""A hash of what a network computes: its parameters and buffers with their shapes, and its
operations in order.

The operations are those that the forward calls of torch, in eval and in training mode, with their
numbers and with which value goes where. Initial values and the library's own names of classes are
not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from didact.nets.splitting.whole import answer, mode
from didact.seeds import seeded

DIGITS = 10
"""Hexadecimal digits of a hash."""
_BATCH = 2


def structure(model: nn.Module, image: tuple[int, int, int]) -> str:
    """The hash of ``model`` for images of shape (c, h, w). On the meta device nothing is computed.

    Raises:
        Exception: whatever the network's forward raises in eval mode.
    """
    total = hashlib.sha256()
    for name, tensor in _state(model):
        total.update(f"{name} {_form(tensor)}\n".encode())
    for training in (False, True):
        with seeded(0, "structure"), torch.no_grad(), mode(model, training=training), _Calls(model) as calls:
            images = torch.zeros(_BATCH, *image, device=next((p.device for p in model.parameters()), None))
            try:
                answer(model(images))
            except Exception as error:
                if not training:
                    raise
                calls.lines.append(f"fails with {type(error).__name__}")
        total.update("\n".join(calls.lines).encode())
    return total.hexdigest()[:DIGITS]


def _state(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _form(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


class _Calls(TorchFunctionMode):
    """Writes down the calls of torch that return tensors.

    Attributes:
        lines: a call each.
        known: name or number of each tensor, by identity.
        numbered: tensors without a name; while they live, no other tensor has their identity.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.known = {id(tensor): name for name, tensor in _state(model)}
        self.numbered: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        arguments = [*self._text(args), *(f"{key}={','.join(self._text(kwargs[key]))}" for key in sorted(kwargs))]
        result = func(*args, **kwargs)
        tensors = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)]
        if tensors:
            name = getattr(func, "__name__", type(func).__name__)
            results = " ".join(self._name(tensor) + _form(tensor) for tensor in tensors)
            self.lines.append(f"{name}({' '.join(arguments)}) -> {results}")
        return result

    def _text(self, value: Any) -> Iterable[str]:
        """Tensors by their number or name, numbers and words as they are; devices do not matter."""
        for leaf in pytree.tree_leaves(value):
            if isinstance(leaf, Tensor):
                yield self._name(leaf)
            elif leaf is None or isinstance(leaf, bool | int | float | str | torch.dtype):
                yield repr(leaf)

    def _name(self, tensor: Tensor) -> str:
        if id(tensor) not in self.known:
            self.known[id(tensor)] = f"%{len(self.numbered)}"
            self.numbered.append(tensor)
        return self.known[id(tensor)]
