"""The papers' studies: grids of Runs with the published figures, one file for each paper; and
:class:`Benchmark`, a study as a value, for files of one's own; and :func:`train`, which trains a study
from a script.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from didact.papers.benchmark import Benchmark as Benchmark
    from didact.papers.contract import train as train

apart = (
    *("about", "benchmark", "contract", "layers", "listing", "memory", "only", "quickstart", "scales"),
    *("sftn_figures", "sftn_grids", "sftn_request", "sftn_settings", "sftn_tables", "gtn_tables"),
)
"""Files that are not studies: parts that studies share, and quickstart, which has its own
command."""


_HOMES = {"Benchmark": "benchmark", "train": "contract"}


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for: that takes a second, and names need none."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"didact.papers.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
