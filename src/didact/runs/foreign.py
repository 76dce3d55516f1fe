"""Code that is not didact's and that runs name: which it is, where it is built, and what it was
when a run was trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch

from didact.nets import libraries
from didact.runs.run import Run, everything
from didact.spec import to_json
from didact.spec.foreign import checksum


def foreign(run: Run) -> list[str]:
    """What of the run's network and method is not didact's, in alphabetical order: every
    ``module:name`` in them, of the user's own or of another library.
    """

    def names(value: Any) -> Iterator[str]:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from names(inner)
        elif isinstance(value, str) and (libraries.named(value) or re.fullmatch(r"[\w.]+:[\w.]+", value)):
            yield value

    return sorted({*names(to_json([run.net, run.method]))})


def involved(run: Run) -> list[str]:
    """The same of the run, its peers and all the runs that it needs."""
    return sorted({name for one in everything([run]) for name in foreign(one)})


def formed(run: Run) -> AbstractContextManager[object]:
    """Where a run's networks and extras are built when only shapes are needed: on the meta device,
    which costs nothing.

    On the CPU where code of others is among them: it may read numbers from tensors.
    """
    return torch.device("cpu" if involved(run) else "meta")


def sources(run: Run) -> dict[str, str]:
    """By name, the SHA-256 of the source file of the user's own code that is involved, as it is
    now; of a network of another library that library's name and version.

    Code that has no file, such as that of an interactive session, is left out.
    """
    sums = {name: libraries.version(name) if libraries.named(name) else checksum(name) for name in involved(run)}
    return {name: value for name, value in sums.items() if value is not None}
