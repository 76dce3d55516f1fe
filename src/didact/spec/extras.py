"""The name under which didact is on the package index, and how its extras are installed."""

from __future__ import annotations

DISTRIBUTION = "didact-distill"
"""On the package index "didact" is another project. Package and command are called didact."""


def installation(extra: str) -> str:
    """The command that installs the optional libraries of ``extra``, for a message."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
