"""The place of this process among those that torchrun has started for one training. Imports
nothing: the command line asks before torch is imported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables that torchrun sets for each process."""


LOST = "another process of this training ended or cannot be reached"
"""How a message begins about the end of a process that did not cause it."""


@dataclass(frozen=True)
class Place:
    """Where a process stands.

    Attributes:
        rank: its number among all processes, from 0. The first writes the store and talks.
        size: number of processes, on all machines.
        local_rank, local_size: the same on its own machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def place() -> Place:
    """The place of this process; the only one where torchrun has not started it, or alone."""
    values = [os.environ.get(name, "") for name in NAMES]
    numbers = [int(value) for value in values[:4] if value.isdecimal()]
    if len(numbers) < 4 or not all(values) or numbers[1] < 2:
        return Place()
    return Place(*numbers)


def follows() -> bool:
    """Whether another process writes the store and talks in place of this one."""
    return place().rank > 0
