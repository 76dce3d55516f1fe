"""What processes of one training say to each other: sums, rows and plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from didact.launcher import LOST

T = TypeVar("T")


class LostError(ConnectionError):
    """Another process of the training has ended, or cannot be reached."""


@contextmanager
def reached() -> Iterator[None]:
    """Turn what torch raises about a lost connection into a :class:`LostError`."""
    try:
        yield
    except RuntimeError as error:
        line = str(error).strip().partition("\n")[0]
        reason = re.sub(r"^\[\S+\] ", "", line).partition(". ")[0]  # without the place in torch's source, and advice
        raise LostError(
            f"{LOST} ({reason}); finished epochs are saved; the same command continues from the last one"
        ) from error


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    with reached():
        dist.all_reduce(tensor)
    return tensor


def joined(part: Tensor, rows: Sequence[int]) -> Tensor:
    """The rows of all processes, in their order; ``rows``: how many each has.

    They travel as bytes, so any type goes; images and maps keep their layout in memory.
    """
    maps = part.dim() == 4  # channels last, as networks hold them
    flat = (part.permute(0, 2, 3, 1) if maps else part).contiguous()
    most = max(rows)
    if len(flat) < most:
        flat = torch.cat([flat, flat.new_zeros(most - len(flat), *flat.shape[1:])])
    own = flat.reshape(-1).view(torch.uint8)
    found = [torch.empty_like(own) for _ in rows]
    with reached():
        dist.all_gather(found, own)
    whole = torch.cat([one.view(part.dtype).view(flat.shape)[:n] for one, n in zip(found, rows, strict=True)])
    return whole.permute(0, 3, 1, 2) if maps else whole


def everyones(value: T) -> list[T]:
    """The plain values of all processes, in their order."""
    found: list[Any] = [None] * dist.get_world_size()
    with reached():
        dist.all_gather_object(found, value)
    return found


def firsts(value: Any = None) -> Any:
    """The plain value of the first process; those of the others are not looked at."""
    box = [value]
    with reached():
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]
