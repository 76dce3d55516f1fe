"""Folds the batch norms of a frozen network into the convolutions before them.

In eval mode, a batch norm is a scale and a shift for each channel, which a convolution's weights
and bias can include: one layer less, and the same function in exact arithmetic. Rounding differs,
so folded networks only compute outputs; parameters are always read, hashed and stored unfolded.
"""

from __future__ import annotations

import copy
import itertools

import torch
from torch import nn

from didact.nets import layers, shufflenet, wide_resnet
from didact.nets.blocks import Block, BlockNet, Head

_WHOLE = frozenset(
    {
        nn.Sequential,
        nn.ModuleDict,
        BlockNet,
        Block,
        Head,
        layers.Residual,
        shufflenet.Beside,
        shufflenet.Split,
        wide_resnet.Residual,
        wide_resnet.Unit,
        wide_resnet.WideBlock,
    }
)
"""Modules that run each of their parts as a whole. Any other, such as a layer of one's own, may
reach into a part of a part and read what a convolution gives before its norm: it stays as it is,
with all that is in it."""


def folded(net: BlockNet) -> BlockNet:
    """A network with the outputs of ``net`` in eval mode, but fewer layers.

    A :class:`~torch.nn.Conv2d` that an :class:`~torch.nn.Sequential` runs directly before a
    :class:`~torch.nn.BatchNorm2d` in eval mode takes the norm over. A norm in training mode, one
    that stands elsewhere (WRN's entry norms), and whatever lies in a module that is not of didact's
    own blocks stay. What does not change is shared with ``net``, which stays as it is.
    """
    twin = _folded(net)
    assert isinstance(twin, BlockNet)
    return twin


def _folded(module: nn.Module) -> nn.Module:
    """``module``, or where something in it can be folded a copy of it that shares the rest."""
    if type(module) not in _WHOLE or _hooked(module):
        return module
    # by the dictionary, because named_children leaves out a part that comes a second time
    parts = {name: None if part is None else _folded(part) for name, part in module._modules.items()}
    if type(module) is nn.Sequential:
        parts = _joined(parts)
    if all(parts[name] is part for name, part in module._modules.items()):
        return module
    twin = copy.copy(module)
    twin._modules = parts  # type: ignore[assignment]
    return twin


def _joined(parts: dict[str, nn.Module | None]) -> dict[str, nn.Module | None]:
    """The parts of a row, with each convolution and the norm behind it in the convolution's place;
    the norm's is empty."""
    names = list(parts)
    for name, after in itertools.pairwise(names):
        conv, norm = parts[name], parts[after]
        if type(conv) is nn.Conv2d and type(norm) is nn.BatchNorm2d and _fixed(norm) and not _hooked(conv):
            parts |= {name: _with(conv, norm), after: nn.Identity()}
    return parts


def _fixed(norm: nn.BatchNorm2d) -> bool:
    """Whether the norm does the same to every batch."""
    return not norm.training and norm.running_mean is not None and norm.running_var is not None and not _hooked(norm)


def _hooked(module: nn.Module) -> bool:
    """Whether someone listens to the module, or changes what it is given or gives."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _with(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """``conv`` and then ``norm`` as one convolution, computed in float64 and frozen."""
    assert norm.running_mean is not None and norm.running_var is not None
    mean, var = _exact(norm.running_mean), _exact(norm.running_var)
    scale = (var + norm.eps).rsqrt() * (1 if norm.weight is None else _exact(norm.weight))
    start = 0 if conv.bias is None else _exact(conv.bias)
    shift = (start - mean) * scale + (0 if norm.bias is None else _exact(norm.bias))
    weight = _exact(conv.weight) * scale[:, None, None, None]
    whole = copy.copy(conv)
    whole._parameters = {
        "weight": nn.Parameter(weight.to(conv.weight), requires_grad=False),
        "bias": nn.Parameter(shift.to(conv.weight), requires_grad=False),
    }
    return whole


def _exact(x: torch.Tensor) -> torch.Tensor:
    """``x`` in float64 on the CPU: not every device has it."""
    return x.detach().cpu().double()
