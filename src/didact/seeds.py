"""Named random streams derived from one seed, and a deterministic mode.

A result may not depend on how it was scheduled, so nothing draws from a shared generator: every consumer of randomness
(the initialisation of a net, the order of an epoch, the crops of an epoch) has a stream of its own, named by what it is for.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for the stream called ``names`` under ``seed``."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on ``device``, at the start of the stream called ``names``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def reseed(seed: int, *names: str | int, device: torch.device | str = "cpu") -> None:
    """Put the global generators of torch (on the CPU and on ``device``), numpy and Python at the start of a named stream.

    For code that is not didact's own and draws from them: dropout, stochastic depth, noise. What it draws then depends on the
    names alone, not on what ran before. Between :func:`preserved` and its end, so that the caller's generators stay as they were.
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
    """Run a block and give the global generators of torch (on the CPU and on ``device``), numpy and Python their states back."""
    device = torch.device(device)
    kept, kept_numpy = random.getstate(), np.random.get_state()
    forked = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=forked):
            yield
    finally:
        random.setstate(kept)
        np.random.set_state(kept_numpy)


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Run a block with the global generators on the CPU at the start of a named stream; restore them afterwards.

    For code that draws from them, such as the initialisation of ``nn.Module`` parameters. Build on the CPU and move
    afterwards: then a network starts from the same weights on every device.
    """
    with preserved():
        reseed(seed, *names)
        yield


@contextmanager
def deterministic() -> Iterator[None]:
    """Ask torch for deterministic kernels; an operation that has none warns instead of failing."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = benchmark
