"""Where a network is quantised: found by one pass, so that an inference engine can compute all of
it in integers.

Quantised are what every convolution and linear layer is given, and what is read by more than the
next activation or norm: activations, norms and layers before no activation, sums and rows side by
side. A tensor is quantised once, and everything that reads it reads the same values. The logits
stay in float32. A layer that runs more than once in a pass, and layers of other kinds, stay in
float32, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from didact.nets import layers, shufflenet, wide_resnet
from didact.nets.blocks import BlockNet, Shape
from didact.nets.evaluating import evaluating
from didact.nets.quantised.layers import QUANTISED
from didact.seeds import preserved

LAYERS = tuple(QUANTISED)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.SiLU,
    nn.GELU,
    nn.ELU,
    nn.Mish,
    nn.Sigmoid,
    nn.Tanh,
)
SUMS = (layers.Residual, wide_resnet.Residual, shufflenet.Beside, shufflenet.Split)
"""Modules of didact that add, or lay side by side, what their parts give."""

CARRIERS = (nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Dropout2d, shufflenet.Shuffle)
"""Modules that give values that they are given, at other places."""


@dataclass(frozen=True)
class Points:
    """Paths of modules in a network.

    Attributes:
        outputs: what they give is quantised.
        sources: by layer whose weights are quantised, the module that quantises what it is given:
            one of the outputs, or the layer itself.
        carried: layers that are given some of what their source quantised, or at other places.
        norms: by layer, the batch norm that alone reads what it gives.
    """

    outputs: tuple[str, ...]
    sources: dict[str, str]
    carried: tuple[str, ...]
    norms: dict[str, str]


def points(net: BlockNet, image: Shape) -> Points:
    """Where ``net`` is quantised, by a pass of an empty image of shape (c, h, w) on the CPU. The
    network stays as it is; it may be on the meta device."""
    seen = _watched(net, image)
    logits = seen.calls[-1].shown
    outputs = tuple(call.path for call in seen.calls if call.shown is not logits and _ends(seen, call))
    sources: dict[str, str] = {}
    carried: list[str] = []
    norms: dict[str, str] = {}
    for call in seen.calls:
        if type(call.module) in LAYERS and seen.once(call):
            source = _source(seen, call.given[0], outputs)
            sources[call.path] = source or call.path
            if source is not None and seen.makers.get(id(call.given[0])) is not seen.last(source):
                carried.append(call.path)
            norm = seen.only_reader(call, (nn.BatchNorm2d,))
            if norm is not None and seen.once(norm):
                norms[call.path] = norm.path
    return Points(outputs, sources, tuple(carried), norms)


@dataclass(frozen=True, eq=False)
class _Call:
    path: str
    module: nn.Module
    given: tuple[Tensor, ...]
    shown: Tensor


class _Pass(TorchFunctionMode):
    """What modules were given and gave, in the order in which they ended, and which modules read
    what. Tensors are told apart by identity, so all are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.makers: dict[int, _Call] = {}
        self._within: list[nn.Module] = []
        self._readers: dict[int, set[nn.Module]] = {}
        self._kept: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") not in ("__get__", "dim", "size"):
            for x in _tensors([*args, *kwargs.values()]):
                self._kept.append(x)
                self._readers.setdefault(id(x), set()).add(self._within[-1])
        return func(*args, **kwargs)

    def begins(self, module: nn.Module) -> None:
        self._within.append(module)

    def ends(self, path: str, module: nn.Module, given: tuple[Any, ...], shown: Any) -> None:
        self._within.pop()
        tensors = tuple(x for x in given if isinstance(x, Tensor))
        if not isinstance(shown, Tensor) or any(shown is x for x in tensors):
            return  # it passes on what it is given
        call = _Call(path, module, tensors, shown)
        self.calls.append(call)
        self.makers.setdefault(id(shown), call)

    def only_reader(self, call: _Call, kinds: tuple[type, ...]) -> _Call | None:
        """The only module that reads what ``call`` gave, where it is of one of ``kinds``. A module
        that adds up what its parts give reads it, too."""
        readers = self._readers.get(id(call.shown), set())
        found = [other for other in self.calls if other.module in readers and type(other.module) in kinds]
        return found[0] if len(readers) == len(found) == 1 else None

    def once(self, call: _Call) -> bool:
        """Whether the module of ``call`` ran once."""
        return sum(other.module is call.module for other in self.calls) == 1

    def last(self, path: str) -> _Call:
        """The call of the module at ``path``."""
        return next(call for call in self.calls if call.path == path)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _ends(seen: _Pass, call: _Call) -> bool:
    """Whether what ``call`` gave is quantised there."""
    kind = type(call.module)
    if not seen.once(call) or seen.makers[id(call.shown)] is not call:
        return False
    if kind in ACTIVATIONS:
        return True
    before = (*ACTIVATIONS, *NORMS) if kind in LAYERS else ACTIVATIONS
    return kind in (*LAYERS, *NORMS, *SUMS) and seen.only_reader(call, before) is None


def _source(seen: _Pass, x: Tensor, outputs: tuple[str, ...]) -> str | None:
    """The path of what quantised ``x``; None where it is not quantised yet."""
    call = seen.makers.get(id(x))
    if call is None:
        return None if x._base is None else _source(seen, x._base, outputs)
    if call.path in outputs:
        return call.path
    return _source(seen, call.given[0], outputs) if isinstance(call.module, CARRIERS) else None


def _watched(net: BlockNet, image: Shape) -> _Pass:
    seen = _Pass()
    held = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    moved = {
        k: torch.zeros(v.shape, dtype=v.dtype, device="cpu") if v.is_meta else v.detach().cpu() for k, v in held.items()
    }
    hooks: list[Any] = []
    for path, module in net.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda module, given: seen.begins(module)))
        hooks.append(
            module.register_forward_hook(lambda module, given, shown, path=path: seen.ends(path, module, given, shown))
        )
    try:
        with evaluating(net), torch.no_grad(), preserved(torch.device("cpu")), torch.device("cpu"):
            images = torch.zeros(1, *image)
            with seen:
                torch.func.functional_call(net, moved, (images,))
    finally:
        for hook in hooks:
            hook.remove()
    return seen
