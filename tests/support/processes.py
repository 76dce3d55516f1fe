"""For tests of processes that start others: who runs, who has ended. Linux only."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path


def children(process: int | str = "self") -> set[int]:
    """The processes that a process has started, and that have not ended."""
    found = {int(one) for path in Path(f"/proc/{process}/task").glob("*/children") for one in path.read_text().split()}
    return {one for one in found if alive(one)}


def alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ended(processes: set[int]) -> bool:
    """Whether the processes end soon, which takes no time but that of a busy machine."""
    until = time.monotonic() + 60
    while any(map(alive, processes)) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(map(alive, processes))
