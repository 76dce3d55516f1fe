"""What a network gives for an image, and its work, found without running data where all code is
didact's or torch's.

torch's own rules for the meta device are Python: a call takes up to milliseconds, and the first one
imports its compiler, which takes seconds. So the functions that most networks consist of have rules
here. Other calls are left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from didact.nets.evaluating import evaluating
from didact.seeds import preserved, stream

Shape = tuple[int, ...]
Sizes = int | Sequence[int]


def dry(module: nn.Module, image: Shape) -> tuple[Any, int]:
    """What ``module`` gives for one image of shape (c, h, w), and its multiply-accumulates in
    convolutions and linear layers.

    It runs in eval mode; afterwards every part has its own mode and its own buffers back. It runs
    on the meta device, or, where a part is not of didact or torch, with an image of noise where the
    module is: code of the user's own may read numbers from tensors.
    """
    parts = list(module.modules())
    own = any(type(part).__module__.partition(".")[0] not in ("didact", "torch") for part in parts)
    device = next((p.device for p in module.parameters()), torch.device("cpu")) if own else torch.device("meta")
    moved = {k: v if own else v.to(device) for k, v in module.named_parameters()}
    moved |= {k: v.clone() if own else v.to(device) for k, v in module.named_buffers()}
    noise = (
        torch.rand(1, *image, generator=stream(0, "image"), device="cpu") if own else torch.empty(1, *image, device=device)
    )
    with evaluating(module), torch.no_grad(), preserved(device), device, _Rules() as rules:
        given = torch.func.functional_call(module, moved, (noise.to(device),))
    return given, rules.macs


class _Rules(TorchFunctionMode):
    """Gives results and counts multiply-accumulates, by a rule where there is one, otherwise by
    torch."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        try:
            covered = _RULES[func](*args, **kwargs) if func in _RULES else None
        except TypeError:  # arguments by names that the rule does not know
            covered = None
        if covered:
            given, macs = covered
            self.macs += macs
            return given
        if func in _VIEWS or getattr(func, "__name__", "") == "__get__":  # reads an attribute
            return func(*args, **kwargs)
        return self._by_torch(func, args, kwargs)

    def _by_torch(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What torch gives, and counts; where shapes do not fit, it says so."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            given = func(*args, **kwargs)
        self.macs += counter.get_total_flops() // 2
        return given


Covered = tuple[Tensor, int] | None
"""A result and its multiply-accumulates; None where torch has to say."""


def _same(x: Tensor, *_: Any, **__: Any) -> Covered:
    return (x, 0) if x.is_meta else None


def _norm(x: Tensor, mean: Tensor | None, *_: Any, **__: Any) -> Covered:
    return (x, 0) if x.is_meta and mean is not None and x.shape[1:2] == mean.shape else None


def _add(x: Any, y: Any, **more: Any) -> Covered:
    return (x, 0) if not more and _alike(x, y) and x.shape == y.shape else None


def _conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Covered:
    if isinstance(padding, str) or x.dim() != 4 or not _alike(x, weight) or x.shape[1] != weight.shape[1] * groups:
        return None
    given = _window(x, weight.shape[0], weight.shape[2:], stride, padding, dilation)
    return None if given is None else (given, given.numel() * prod(weight.shape[1:]))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Covered:
    if not _alike(x, weight) or x.shape[-1:] != weight.shape[1:]:
        return None
    given = x.new_empty(*x.shape[:-1], weight.shape[0])
    return given, given.numel() * weight.shape[1]


def _max_pool(
    x: Tensor,
    kernel: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Covered:
    return None if return_indices or ceil_mode or dilation != 1 else _pool(x, kernel, stride, padding)


def _avg_pool(
    x: Tensor, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, ceil_mode: bool = False, *_: Any, **__: Any
) -> Covered:
    return None if ceil_mode else _pool(x, kernel, stride, padding)


def _pool(x: Tensor, kernel: Sizes, stride: Sizes | None, padding: Sizes) -> Covered:
    if x.dim() != 4 or not x.is_meta or any(2 * p > k for p, k in zip(_pair(padding), _pair(kernel), strict=True)):
        return None
    given = _window(x, x.shape[1], kernel, kernel if stride is None else stride, padding)
    return None if given is None else (given, 0)


def _mean(x: Tensor, dim: Any = None, **more: Any) -> Covered:
    return (x.new_empty(x.shape[:2]), 0) if x.is_meta and x.dim() == 4 and dim == (2, 3) and not more else None


def _cat(parts: Sequence[Tensor], dim: int = 0, **more: Any) -> Covered:
    first, *others = parts
    if more or dim != 1 or not first.is_meta or any(not _alike(first, x) or _beside(x) != _beside(first) for x in others):
        return None
    return first.new_empty(first.shape[0], sum(x.shape[1] for x in parts), *first.shape[2:]), 0


def _alike(x: Any, y: Any) -> bool:
    return isinstance(x, Tensor) and isinstance(y, Tensor) and x.is_meta and y.is_meta and x.dtype == y.dtype


def _beside(x: Tensor) -> tuple[Any, ...]:
    return x.dim(), x.shape[:1], x.shape[2:]


def _window(x: Tensor, channels: int, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes = 1) -> Tensor | None:
    """The map that a sliding window gives; None where none is left of it."""
    each = zip(x.shape[2:], *map(_pair, (kernel, stride, padding, dilation)), strict=True)
    sizes = [(size + 2 * around - apart * (width - 1) - 1) // step + 1 for size, width, step, around, apart in each]
    return x.new_empty(x.shape[0], channels, *sizes) if min(sizes) > 0 else None


def _pair(sizes: Sizes) -> tuple[int, int]:
    return (sizes, sizes) if isinstance(sizes, int) else (sizes[0], sizes[-1])


_RULES: dict[Any, Callable[..., Covered]] = {
    functional.relu: _same,
    functional.hardtanh: _same,
    functional.batch_norm: _norm,
    Tensor.add: _add,
    torch.conv2d: _conv2d,
    functional.linear: _linear,
    functional.max_pool2d: _max_pool,
    functional.avg_pool2d: _avg_pool,
    Tensor.mean: _mean,
    torch.cat: _cat,
}

_VIEWS = {Tensor.dim, Tensor.chunk, Tensor.flatten, Tensor.transpose, Tensor.unflatten}
"""Functions without multiplications, which torch answers at once."""
