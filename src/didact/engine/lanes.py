"""Where the groups of a cohort run in a step: one after the other, or on a GPU beside each other,
each on a stream of its own.

    fork            every lane waits for what the device has been given until now (batch, teacher's pass)
    lane(0..n-1)    a group's forward, backward and update
    join            what follows waits for all lanes

Groups share nothing but what came before the fork, so their results do not depend on the lanes.
Memory that a lane reads and did not take itself (batch, teacher's outputs) must live until the
join; memory that it takes is its own stream's, and goes back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch


class Lanes(Protocol):
    """Where the groups of a cohort run."""

    def fork(self) -> None:
        """All that a lane is given from now on waits for what came before."""
        ...

    def lane(self, place: int) -> AbstractContextManager[Any]:
        """Within the block work is given to the lane of the group at ``place``, from 0."""
        ...

    def join(self) -> None:
        """All that follows waits for what the lanes were given."""
        ...


class OneLane:
    """Every group after the one before."""

    def fork(self) -> None:
        """Nothing to do."""

    def lane(self, place: int) -> AbstractContextManager[Any]:
        """The lane in which everything is."""
        return nullcontext()

    def join(self) -> None:
        """Nothing to do."""


class Streams:
    """Each group on a CUDA stream of its own.

    Args:
        device: the GPU.
        groups: how many lanes there are.
    """

    def __init__(self, device: torch.device, groups: int) -> None:
        self.device = device
        self.streams: Sequence[torch.cuda.Stream] = [torch.cuda.Stream(device) for _ in range(groups)]

    def fork(self) -> None:
        """Every stream waits for the current one."""
        now = torch.cuda.current_stream(self.device)
        for stream in self.streams:
            stream.wait_stream(now)

    def lane(self, place: int) -> AbstractContextManager[Any]:
        """The current stream is that of the group."""
        return torch.cuda.stream(self.streams[place])

    def join(self) -> None:
        """The current stream waits for every one."""
        now = torch.cuda.current_stream(self.device)
        for stream in self.streams:
            now.wait_stream(stream)
