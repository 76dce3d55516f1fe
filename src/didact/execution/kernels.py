"""Which kernels torch takes. The choice holds for the whole process, so it is put back after a
training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from didact import seeds


@contextmanager
def kernels(*, deterministic: bool) -> Iterator[None]:
    """Take deterministic kernels, or search for the fastest: batches keep their shape, so a search
    pays.

    Afterwards, also after an error, the process has the settings that it had before.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = not deterministic
    try:
        with seeds.deterministic() if deterministic else nullcontext():
            yield
    finally:
        torch.backends.cudnn.benchmark = before
