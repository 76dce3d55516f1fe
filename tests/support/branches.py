"""For tests of teachers with branches: logits and labels, as arrays and tensors, and a step's context."""

from __future__ import annotations

import numpy as np
import torch

from didact.method import Clock, Pair, StepContext
from didact.seeds import stream
from didact.tensors import Batch


def drawn(
    random: np.random.Generator, scale: float, classes: int = 10, count: int = 3, batch: int = 8
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Logits of a teacher and of its branches, and labels."""
    zt, *branches = random.normal(size=(1 + count, batch, classes)) * scale
    return zt, branches, random.integers(0, classes, batch)


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def context(two: Pair, *, epoch: int = 0, epochs: int = 10, step: int = 0, steps: int = 4) -> StepContext:
    """A step of the network alone, on four images of noise."""
    torch.manual_seed(0)
    batch = Batch(torch.randn(4, *two.image), torch.tensor([0, 1, 2, 3]), torch.arange(4))
    own = two.net.outputs(batch.images, frozenset({"logits", "features"}))
    return StepContext(batch, own, None, Clock(epoch, epochs, step, steps, epoch), stream(0))
