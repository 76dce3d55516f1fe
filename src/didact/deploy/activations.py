"""Peak activation memory for one image: which tensors are alive while each operator of a network runs.

A network is run once in eval mode on the meta device, where tensors have shapes and no data, and every operator that it calls
is written down with the tensors it reads and writes (:func:`trace`). The peak follows from when each is last read
(:func:`peak`). Counted while an operator runs are

    what it reads + what it writes + what an operator after it will read (such as a shortcut)

with these rules:

- The image is a tensor like any other, dropped after its last reader; the logits live to the end.
- Parameters, buffers and whatever is computed from them alone are constants, not activations. What an operator writes and
  no operator reads (the indices of a max pooling, the statistics of a norm) is not written at all.
- A view (reshape, transpose, split, the half of a channel split) is the tensor it looks at; a whole tensor lives while one
  of its views does. A copy that puts channels into another order is an operator of its own.
- A batch norm, or an element-wise operator of one tensor (an activation), overwrites its input if no later operator reads that:
  it is fused into the operator before it, as inference engines do. If the input is still needed, as that of a pre-activation
  network's norm by the shortcut, the output is a tensor of its own. Sums and concatenations are not in place.
- Operators run in the order in which the network's ``forward`` calls them. Scratch memory inside an operator (such as im2col)
  is an engine's own matter and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from didact.nets.blocks import BlockNet, Shape

_ELEMENTWISE = ("native_batch_norm", "_native_batch_norm_legit_no_training", "hardswish", "_prelu_kernel")
"""Operators that PyTorch does not mark as element-wise; a clone, which it marks, may put elements into another order."""


@dataclass(frozen=True)
class Step:
    """One operator: its name, the tensors it reads and the ones it writes, and whether the first that it writes may take the
    place of the one that it reads."""

    operator: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    over: bool = False


@dataclass(frozen=True)
class Trace:
    """The operators of a network for one image.

    Attributes:
        sizes: elements of each tensor; tensor 0 is the image.
        steps: the operators in the order of execution.
        given: the tensors that the network returns.
    """

    sizes: tuple[int, ...]
    steps: tuple[Step, ...]
    given: frozenset[int]


def peak(trace: Trace) -> int:
    """The most elements that are alive at once."""
    last = {0: -1} | {tensor: at for at, step in enumerate(trace.steps) for tensor in (*step.writes, *step.reads)}
    last |= dict.fromkeys(trace.given, len(trace.steps))
    alive = {0}
    most = trace.sizes[0]
    for at, step in enumerate(trace.steps):
        written = {tensor for tensor in step.writes if last[tensor] > at}
        replaced = step.over and last[step.reads[0]] == at
        held = alive if replaced else alive | written
        most = max(most, sum(trace.sizes[tensor] for tensor in held))
        alive = {tensor for tensor in alive | written if last[tensor] > at}
    return most


def trace(net: nn.Module, image: Shape) -> Trace:
    """The operators that ``net`` calls in eval mode for one image of shape (c, h, w). Its own modes and weights are left alone.

    Raises:
        ValueError: the image does not survive the network's strides, or has the wrong number of channels.
    """
    images = torch.zeros(1, *image, device="meta")
    weights = {name: value.to("meta") for name, value in [*net.named_parameters(), *net.named_buffers()]}
    try:
        with evaluating(net), torch.no_grad(), _Recorder(images) as recorder:
            given = torch.func.functional_call(net, weights, (images,))
    except RuntimeError:
        if isinstance(net, BlockNet):
            net.shapes(image)  # says what is wrong with the image
        raise
    return recorder.trace(given)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """``net`` in eval mode; afterwards every part has its own mode back."""
    modes = [(part, part.training) for part in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


class _Recorder(TorchDispatchMode):
    """Writes down every operator that depends on ``images``. Tensors are told apart by their storage, so that a view is the
    tensor it looks at; all are kept, so that no storage is given to a second tensor."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.numbers = {_storage(images): 0}
        self.sizes = [images.numel()]
        self.steps: list[Step] = []
        self.kept: list[Any] = [images]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.kept.append((args, kwargs, found))
        reads = self._known(_tensors((args, kwargs)))
        if reads:
            new = [t for t in _tensors(found) if t.numel() and _storage(t) not in self.numbers]
            writes = tuple(dict.fromkeys(self._number(t) for t in new))
            self.steps.append(Step(str(func), reads, writes, self._over(func, reads, writes)))
        return found

    def trace(self, given: Any) -> Trace:
        return Trace(tuple(self.sizes), tuple(self.steps), frozenset(self._known(_tensors(given))))

    def _over(self, func: Any, reads: tuple[int, ...], writes: tuple[int, ...]) -> bool:
        alike = len(reads) == 1 and len(writes) > 0 and self.sizes[reads[0]] == self.sizes[writes[0]]
        name = func.overloadpacket.__name__
        return alike and name != "clone" and (torch.Tag.pointwise in func.tags or name in _ELEMENTWISE)

    def _known(self, tensors: list[Tensor]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.numbers[_storage(t)] for t in tensors if _storage(t) in self.numbers))

    def _number(self, tensor: Tensor) -> int:
        if _storage(tensor) not in self.numbers:
            self.numbers[_storage(tensor)] = len(self.sizes)
            self.sizes.append(tensor.untyped_storage().nbytes() // tensor.element_size())
        return self.numbers[_storage(tensor)]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
