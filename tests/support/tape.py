"""A stand-in for a CUDA graph on a processor: it records the operations of a step by the addresses of their tensors and the
numbers that Python gave them, computes nothing while it records, and repeats exactly that.

So it also repeats what a CUDA graph would repeat wrongly: a number of Python's that changes from step to step, a tensor that
is made anew outside. What makes a host wait for a GPU, or cannot be recorded there, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense,  # .item(), .tolist(), bool(x), int(x), slices by tensors
    aten.nonzero,  # also x.where()
    aten.masked_select,
    aten.equal,
    aten.is_nonzero,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.bincount,
    aten.histc,
    aten._linalg_check_errors,  # torch.linalg.inv, cholesky, solve ...
    aten._linalg_eigh,
    aten._linalg_svd,
    aten.linalg_lstsq,
}
"""Operations whose result, or the size of it, the host reads."""
EMPTY = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided}
"""Operations that only take memory."""
MOVES_STATISTICS = {aten.native_batch_norm: (3, 4)}
"""Arguments that an operation changes although its signature does not say so."""


class WaitsError(AssertionError):
    """An operation makes the host wait for the device."""


def refuse(function: Any, args: Sequence[Any]) -> None:
    """Raise where a GPU would be waited for."""
    packet = function.overloadpacket
    masks = packet in (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_) and any(
        isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in args[1]
    )
    counted = function is aten.repeat_interleave.Tensor
    if packet in WAITS or masks or counted:
        raise WaitsError(f"{function}: the host waits for the device")


class NoWaits(TorchDispatchMode):
    """Within the block every operation that waits for the device is refused."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        refuse(func, args)
        return func(*args, **(kwargs or {}))


class Tape(TorchDispatchMode):
    """A recording of the operations in the block."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any, bool]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}  # of what is changed in place: it, and its bytes before
        self.made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        refuse(func, args)
        kwargs = kwargs or {}
        for tensor in changed(func, args, kwargs):
            self._keep(tensor)
        out = func(*args, **kwargs)
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor) and not aliases(func):
                self.made.add(tensor.untyped_storage().data_ptr())
        self.calls.append((func, args, kwargs, out, torch.is_grad_enabled()))
        return out

    def _keep(self, tensor: Tensor) -> None:
        address = tensor.untyped_storage().data_ptr()
        if address not in self.made and address not in self.before:
            whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
            self.before[address] = (whole, whole.clone())

    def undo(self) -> None:
        """Everything is as it was before the block."""
        for whole, values in self.before.values():
            whole.copy_(values)

    def replay(self) -> None:
        """The same operations on the same tensors; kernels may depend on whether gradients are on."""
        for func, args, kwargs, out, graded in self.calls:
            if aliases(func) or func.overloadpacket in EMPTY:
                continue
            with torch._C._AutoDispatchBelowAutograd(), torch.set_grad_enabled(graded):
                self._repeat(func, args, kwargs, out)

    def _repeat(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        new = func(*args, **kwargs)
        for before, after in zip(tree_leaves(out), tree_leaves(new), strict=True):
            if isinstance(before, Tensor) and before.data_ptr() != after.data_ptr():
                before.copy_(after)


def aliases(func: Any) -> bool:
    """Whether an operation gives a view of its argument, and does nothing else."""
    returns = func._schema.returns
    return any(one.alias_info is not None and not one.alias_info.is_write for one in returns)


def changed(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operation writes to."""
    given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
    written = [given.get(a.name) for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    written += [args[place] for place in MOVES_STATISTICS.get(func.overloadpacket, ())]
    for one in tree_leaves(written):
        if isinstance(one, Tensor):
            yield one


class Tapes:
    """Stands where :class:`didact.engine.captured.CudaGraphs` does."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0
        self.inside = False

    @contextmanager
    def running(self) -> Iterator[None]:
        self.inside = True
        yield
        self.inside = False

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Any:
        assert self.inside
        states = [one.get_state() for one in generators]
        outside = torch.get_rng_state()
        tape = Tape()
        with tape:
            work()
        assert torch.equal(outside, torch.get_rng_state()), "something is drawn from the global generator"
        tape.undo()
        for one, state in zip(generators, states, strict=True):
            one.set_state(state)
        self.recorded += 1
        return Counted(self, tape)


class Counted:
    """A recording that counts its replays."""

    def __init__(self, tapes: Tapes, tape: Tape) -> None:
        self.tapes, self.tape = tapes, tape

    def replay(self) -> None:
        self.tapes.replayed += 1
        self.tape.replay()


class Again(Tapes):
    """Computes a step anew where it would be replayed: with the same kernels as a tape if ``alike``.

    Under any dispatch mode, as that of the tape, torch takes other ways through some gradients, which round otherwise.
    """

    def __init__(self, *, alike: bool) -> None:
        super().__init__()
        self.alike = alike

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Any:
        return Repeated(work, alike=self.alike)


class Repeated:
    """Work that is done whenever it is asked for."""

    def __init__(self, work: Callable[[], None], *, alike: bool) -> None:
        self.work, self.alike = work, alike

    def replay(self) -> None:
        with NoWaits() if self.alike else nullcontext():
            self.work()
