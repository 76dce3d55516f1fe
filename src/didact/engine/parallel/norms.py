"""Statistics of batches over the images of all processes: each share is normalised, and rounded to 8
bits, as the whole batch would be.

    n = sum n_r,   m = sum n_r m_r / n,   v = sum n_r (v_r + (m_r - m)^2) / n

from the number, mean and variance of every process (Chan, Golub, LeVeque 1979), which does not
cancel as a difference of sums of squares does. torch's SyncBatchNorm refuses the CPU, and is a
module that has to replace others; a pool's students share weights without modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from didact.engine.parallel.exchange import joined, summed


def parts(n: int, shares: int) -> tuple[int, ...]:
    """How many of ``n`` images each of so many parts of a batch has; they differ by one at most."""
    ends = [n * (share + 1) // shares for share in range(shares)]
    return tuple(end - start for start, end in zip([0, *ends], ends, strict=False))


class SplitNorms(TorchFunctionMode):
    """Within the block ``torch.nn.functional.batch_norm`` takes batch statistics over each part of a
    batch, as processes do of which each has one. Running statistics take in the means of the parts.

    Args:
        images: of the whole batch; an input may have several rows for each.
        shares: number of parts.
    """

    def __init__(self, images: int, shares: int) -> None:
        super().__init__()
        self.images, self.rows = images, parts(images, shares)

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        return self._norm(*args, **kwargs) if func is F.batch_norm else func(*args, **kwargs)

    def _norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        each = len(input) // self.images
        shown = []
        running = [one for one in (running_mean, running_var) if one is not None]
        sums = [torch.zeros_like(one) for one in running]
        for part in input.split([each * n for n in self.rows]):
            own = [one.clone() for one in running]
            mean, variance = own or (None, None)
            shown.append(F.batch_norm(part, mean, variance, weight, bias, True, momentum, eps))
            for total, one in zip(sums, own, strict=True):
                total.add_(one)
        for one, total in zip(running, sums, strict=True):
            one.copy_(total / len(self.rows))
        return torch.cat(shown)


class SyncedNorms(TorchFunctionMode):
    """Within the block ``torch.nn.functional.batch_norm`` takes batch statistics over all
    processes, whatever module calls it, and so does ``Tensor.aminmax`` of a whole tensor, which
    ranges of quantised activations follow.

    Args:
        size: number of processes; all must run the same norms in the same order.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return _norm(self.size, *args, **kwargs)
        found = func(*args, **kwargs)
        if func is Tensor.aminmax and len(args) == 1 and not kwargs:
            low, high = joined(torch.stack([*found])[None], [1] * self.size).unbind(1)
            return low.amin(), high.amax()
        return found


def _norm(
    size: int,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``torch.nn.functional.batch_norm`` over all processes."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    total, mean, variance = moments(input, size)
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        if running_var is not None:
            running_var.lerp_((variance * (total / (total - 1).clamp(min=1))).to(running_var.dtype), momentum)
    kind = torch.promote_types(input.dtype, torch.float32)
    return Synced.apply(input, weight, bias, mean.to(kind), variance.to(kind), total, eps)  # type: ignore[return-value]


@torch.no_grad()
def moments(x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Number of values of a channel over all processes, their means and their variances (c,), in
    float64."""
    others = [d for d in range(x.dim()) if d != 1]
    variance, mean = torch.var_mean(x.to(torch.promote_types(x.dtype, torch.float32)), others, correction=0)
    count = mean.new_full((1,), x.numel() / x.shape[1], dtype=torch.float64)
    found = joined(torch.cat([count, mean.double(), variance.double()])[None], [1] * size)
    n, (means, variances) = found[:, :1], found[:, 1:].chunk(2, 1)
    total = n.sum()
    mean = (n * means).sum(0) / total
    return total, mean, (n * (variances + (means - mean).square())).sum(0) / total


class Synced(torch.autograd.Function):
    """Normalisation by given statistics of the whole batch, on which the gradient depends too.

    dx = w s (dy - sum(dy) / n - x' sum(dy x') / n),   s = (v + eps)^-1/2,   x' = s (x - m)

    sums over all processes. The gradients of weight and bias are this process's share.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        total: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, variance, total)  # read from the device nowhere
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (dy,) = gradients
        x, weight, mean, variance, total = ctx.saved_tensors
        ones = torch.ones_like(mean) if weight is None else weight
        # the gradients of a norm with fixed statistics; what depends on x through them is added
        dx, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            dy, x, ones, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = summed(torch.stack([d_bias, d_weight]).double()) / total
        scale = (variance + ctx.eps).rsqrt().double()
        slope = -ones * scale.square() * sums[1]
        shift = -ones * scale * sums[0] - slope * mean
        shape = (1, -1, *[1] * (x.dim() - 2))
        dx = dx + slope.to(dx.dtype).view(shape) * x + shift.to(dx.dtype).view(shape)
        found = (dx, d_weight if ctx.needs_input_grad[1] else None, d_bias if ctx.needs_input_grad[2] else None)
        return *found, None, None, None, None
