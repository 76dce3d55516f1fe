"""The papers' studies: grids of Runs with the published figures, one file for each paper; and
:class:`Benchmark`, a study as a value, for files of one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from didact.papers.benchmark import Benchmark as Benchmark

apart = (
    *("about", "benchmark", "contract", "layers", "listing", "memory", "only", "quickstart", "scales"),
    *("sftn_figures", "sftn_grids", "sftn_request", "sftn_settings", "sftn_tables", "gtn_tables"),
)
"""Files that are not studies: parts that studies share, and quickstart, which has its own
command."""


def __getattr__(name: str) -> Any:
    """``Benchmark``, imported when it is asked for: it takes a second, and names need none."""
    if name == "Benchmark":
        from didact.papers.benchmark import Benchmark

        return Benchmark
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
