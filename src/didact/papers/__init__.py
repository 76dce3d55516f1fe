"""The papers' studies: grids of Runs with the published figures, one file for each paper; and
:class:`Benchmark`, a study as a value, for files of one's own; and :func:`train`, which trains a study
from a script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from didact.lazily import from_homes

if TYPE_CHECKING:
    from didact.papers.benchmark import Benchmark as Benchmark
    from didact.papers.contract import train as train

apart = (
    *("about", "benchmark", "contract", "layers", "listing", "memory", "only", "quickstart", "scales"),
    *("sftn_figures", "sftn_grids", "sftn_request", "sftn_settings", "sftn_tables", "gtn_tables"),
)
"""Files that are not studies: parts that studies share, and quickstart, which has its own
command."""


__getattr__ = from_homes(__name__, {"Benchmark": "benchmark", "train": "contract"})
