"""Peak activation memory for one image: the tensors that are alive while each operator of a network
runs.

A network runs once in eval mode on the meta device, where tensors have shapes but no data.
:func:`trace` records every operator with the tensors that it reads and writes; :func:`peak` follows
from the last reader of each tensor. While an operator runs, its inputs, its outputs, and all
tensors that later operators read (such as a shortcut) are counted, by these rules:

- The image is a tensor like any other, freed after its last reader; the logits live to the end.
- Parameters, buffers and values computed from them alone are constants, not activations. Outputs
  that no operator reads (the indices of a max pooling, the statistics of a norm) are not counted.
- A view (reshape, transpose, split, half of a channel split) is its whole tensor, which lives while
  one of its views does. A copy that reorders channels is a separate operator.
- A batch norm, or an element-wise operator of one tensor (an activation), overwrites its input if
  no later operator reads it, because inference engines fuse it into the operator before it. If the
  input is still needed, as by the shortcut of a pre-activation network, the output is a separate
  tensor. Sums and concatenations are not in place.
- Operators run in the order of the network's ``forward``. Scratch memory inside an operator (such
  as im2col) depends on the engine and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from didact.nets.blocks import BlockNet, Shape
from didact.nets.evaluating import evaluating

_ELEMENTWISE = ("native_batch_norm", "_native_batch_norm_legit_no_training", "hardswish", "_prelu_kernel")
"""Element-wise operators that PyTorch does not mark. It marks clone, which may reorder elements."""


@dataclass(frozen=True)
class Step:
    """One operator: its name, the tensors that it reads and writes, and whether its first output
    may overwrite its input."""

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
        outputs: the tensors that the network returns.
    """

    sizes: tuple[int, ...]
    steps: tuple[Step, ...]
    outputs: frozenset[int]


def peak(trace: Trace) -> int:
    """The largest number of elements that are alive at once."""
    last = {0: -1} | {tensor: at for at, step in enumerate(trace.steps) for tensor in (*step.writes, *step.reads)}
    last |= dict.fromkeys(trace.outputs, len(trace.steps))
    alive = {0}
    most = trace.sizes[0]
    for at, step in enumerate(trace.steps):
        written = {tensor for tensor in step.writes if last[tensor] > at}
        replaced = step.over and last[step.reads[0]] == at
        counted = alive if replaced else alive | written
        most = max(most, sum(trace.sizes[tensor] for tensor in counted))
        alive = {tensor for tensor in alive | written if last[tensor] > at}
    return most


def trace(net: nn.Module, image: Shape) -> Trace:
    """The operators that ``net`` calls in eval mode for one image of shape (c, h, w). Its mode and
    weights stay unchanged.

    Raises:
        ValueError: the image is too small for the network's strides, or has the wrong number of
            channels.
    """
    images = torch.zeros(1, *image, device="meta")
    weights = {name: value.to("meta") for name, value in [*net.named_parameters(), *net.named_buffers()]}
    try:
        with evaluating(net), torch.no_grad(), _Recorder(images) as recorder:
            outputs = torch.func.functional_call(net, weights, (images,))
    except RuntimeError:
        if isinstance(net, BlockNet):
            net.shapes(image)  # says what is wrong with the image
        raise
    return recorder.trace(outputs)


class _Recorder(TorchDispatchMode):
    """Records every operator that depends on ``images``.

    The storage identifies a tensor, so that a view counts as its whole tensor. All tensors stay
    referenced, so that no storage is reused.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.numbers = {_storage(images): 0}
        self.sizes = [images.numel()]
        self.steps: list[Step] = []
        self.kept: list[Any] = [images]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.kept.append((args, kwargs, result))
        reads = self._known(_tensors((args, kwargs)))
        if reads:
            new = [t for t in _tensors(result) if t.numel() and _storage(t) not in self.numbers]
            writes = tuple(dict.fromkeys(self._number(t) for t in new))
            self.steps.append(Step(str(func), reads, writes, self._over(func, reads, writes)))
        return result

    def trace(self, outputs: Any) -> Trace:
        return Trace(tuple(self.sizes), tuple(self.steps), frozenset(self._known(_tensors(outputs))))

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
