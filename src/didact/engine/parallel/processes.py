"""The processes that share every batch of a training.

A batch is the same in every process, with everything that was drawn for it, and each runs the
networks on a share of it. A method's terms are then taken in one of two ways
(:meth:`didact.method.Method.parallel`):

    images     on the share alone: each term is a mean over images, so L = sum_r n_r / n L_r
    outputs    on the whole batch, in every process: the outputs of the networks are gathered first

Gradients are averaged over the processes before a step. So that the average is the gradient of the
whole batch, a share's loss is weighted by R n_r / n, R being the number of processes, and gathered
outputs hand R times their gradient back to the rows of the process. What all compute alike (the
extras that work on gathered outputs, a penalty on weights) is then averaged with itself.

torch's DistributedDataParallel is not used: it averages over processes as if each had as many
images and a loss of its own, expects one backward pass for each forward pass of one module, and
would have to be built anew for every stage of a method. Here one flat all-reduce before each step
does what is needed for network and extras together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from didact.engine.parallel import exchange
from didact.engine.parallel.norms import SplitNorms, SyncedNorms, parts
from didact.launcher import Place
from didact.tensors import Batch, Outputs

T = TypeVar("T")

LEAST = 2
"""The least number of images in a share: what a norm makes of a single value differs from the rest."""


@dataclass(frozen=True)
class Processes(Place):
    """The processes of one training, from the place of one of them."""

    def share(self, batch: Batch) -> Share:
        """This process's share of a batch. A batch with too few images to divide is everyone's."""
        if len(batch) < self.size * LEAST or self.size == 1:
            return Share(batch, batch, self)
        rows = parts(len(batch), self.size)
        start = sum(rows[: self.rank])
        return Share(batch, _cut(batch, start, start + rows[self.rank]), self, rows)

    def average(self, gradients: Sequence[Tensor]) -> None:
        """Replace gradients by their means over all processes, in one exchange for each type."""
        if self.size == 1:
            return
        for dtype in dict.fromkeys(gradient.dtype for gradient in gradients):
            some = [gradient for gradient in gradients if gradient.dtype == dtype]
            flat = exchange.summed(torch.cat([gradient.flatten() for gradient in some])).div_(self.size)
            for gradient, mean in zip(some, flat.split([one.numel() for one in some]), strict=True):
                gradient.copy_(mean.view(gradient.shape))

    def settle(self, buffers: Sequence[Tensor]) -> None:
        """Average running statistics that each process has gathered for itself."""
        if buffers:
            self.average(buffers)

    def gather(self, value: T) -> list[T]:
        """The plain values of all processes, in their order."""
        return [value] if self.size == 1 else exchange.everyones(value)

    def agree(self, make: Callable[[], Any]) -> Any:
        """A plain value that the first process makes, and all have."""
        if self.size == 1:
            return make()
        return exchange.firsts(make() if self.rank == 0 else None)

    def device(self, device: str) -> str:
        """The device of this process: GPUs are numbered within a machine."""
        return f"{device}:{self.local_rank}" if self.size > 1 and device == "cuda" else device


ALONE = Processes()
"""One process, which has every batch for itself."""


@dataclass(frozen=True)
class Share:
    """What of a batch a process computes.

    Attributes:
        whole: the batch.
        part: the rows of this process; the whole batch where it is not divided.
        rows: how many images each process has; empty where the batch is not divided.
    """

    whole: Batch
    part: Batch
    processes: Processes
    rows: tuple[int, ...] = ()

    @property
    def weight(self) -> float:
        """Factor of the loss of the part, for its share in a mean over processes."""
        return len(self.part) * self.processes.size / len(self.whole) if self.rows else 1.0

    def counts(self, whole: bool) -> bool:
        """Whether figures of this process count: not where all have the same."""
        return self.processes.rank == 0 or bool(self.rows and not whole)

    def norms(self, shares: int) -> AbstractContextManager[object]:
        """Within the block batch norm takes its statistics over each of so many parts of the whole
        batch: over all of it for 1, and otherwise over the part of a process, or of as many parts
        one after the other where the batch is not divided.
        """
        if self.rows:
            assert shares in (1, len(self.rows)), "refused before training"
            return SyncedNorms(len(self.rows)) if shares == 1 else nullcontext()
        return SplitNorms(len(self.whole), shares) if shares > 1 and len(self.whole) >= shares * LEAST else nullcontext()

    def gather(self, outputs: Outputs) -> Outputs:
        """Outputs for the whole batch from those for the part, with gradient."""
        return (
            outputs
            if not self.rows
            else replace(outputs, **{one.name: self._gathered(getattr(outputs, one.name)) for one in fields(outputs)})
        )

    def _gathered(self, value: Tensor | tuple[Tensor, ...] | None) -> Any:
        if value is None:
            return None
        if isinstance(value, tuple):
            return tuple(map(self._gathered, value))
        each = len(value) // len(self.part)  # a view may have several rows for an image
        return Gathered.apply(value, tuple(each * n for n in self.rows), self.processes)


class Gathered(torch.autograd.Function):
    """The rows of all processes. The own rows get the gradient, times the number of processes."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, rows: tuple[int, ...], processes: Processes) -> Tensor:
        ctx.start, ctx.size = sum(rows[: processes.rank]), processes.size
        ctx.count = len(part)
        return exchange.joined(part, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        return gradient[ctx.start : ctx.start + ctx.count] * ctx.size, None, None


def _cut(batch: Batch, start: int, stop: int) -> Batch:
    """Images ``start`` to ``stop`` of a batch, with their rows in all views."""
    each = {name: len(view) // len(batch) for name, view in batch.views.items()}
    return Batch(
        images=batch.images[start:stop],
        labels=batch.labels[start:stop],
        index=batch.index[start:stop],
        views={name: view[each[name] * start : each[name] * stop] for name, view in batch.views.items()},
        soft=None if batch.soft is None else batch.soft[start:stop],
        labelled=None if batch.labelled is None else min(max(batch.labelled - start, 0), stop - start),
    )
