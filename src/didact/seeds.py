"""Named random streams derived from one seed, and a deterministic mode.

A result may not depend on how it was scheduled, so nothing draws from a shared generator: every consumer of randomness
(the initialisation of a net, the order of an epoch, the crops of an epoch) has a stream of its own, named by what it is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(seed: int, *names: str | int) -> int:
    """A seed of 63 bits for the stream called ``names`` under ``seed``."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on ``device``, at the start of the stream called ``names``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *names))


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Run a block with torch's global CPU generator at the start of a named stream; restore it afterwards.

    For code that draws from the global generator, such as the initialisation of ``nn.Module`` parameters. Build on the CPU
    and move afterwards: then a network starts from the same weights on every device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, *names))
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
