"""Named random streams derived from one seed, and a deterministic mode.

Results must not depend on scheduling, so nothing draws from a shared generator: every use of
randomness (the initialisation of a network, the order of an epoch, the crops of an epoch) has its
own named stream.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the stream ``names`` of ``seed``."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A new generator on ``device``, at the start of the stream ``names``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def reseed(seed: int, *names: str | int, device: torch.device | str = "cpu") -> None:
    """Set the global generators of torch (on the CPU and on ``device``), numpy and Python to the
    start of a named stream.

    For other code that draws from them: dropout, stochastic depth, noise. Its draws then depend on
    the names alone. Use it within :func:`preserved`, which restores the caller's generators.
    """
    start = derive(seed, *names)
    torch.default_generator.manual_seed(start)
    device = torch.device(device)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(start)
    random.seed(start)
    np.random.seed(start % 2**32)


@contextmanager
def preserved(device: torch.device | str = "cpu") -> Iterator[None]:
    """Restore the global generators of torch (CPU and ``device``), numpy and Python at the end of a
    block."""
    device = torch.device(device)
    state, state_numpy = random.getstate(), np.random.get_state()
    forked = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=forked):
            yield
    finally:
        random.setstate(state)
        np.random.set_state(state_numpy)


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Run a block with the global generators on the CPU at the start of a named stream; restore
    them afterwards.

    For code that draws from them, such as the initialisation of ``nn.Module`` parameters. Build
    networks on the CPU and move them afterwards, so that they start with the same weights on every
    device.
    """
    with preserved():
        reseed(seed, *names)
        yield


@contextmanager
def deterministic() -> Iterator[None]:
    """Use deterministic kernels of torch; an operation without one warns instead of failing."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
