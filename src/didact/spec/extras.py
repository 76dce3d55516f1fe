"""The name under which didact is on the package index, and how its extras are installed."""

from __future__ import annotations

import json
import shlex
from functools import cache

DISTRIBUTION = "didact-distill"
"""On the package index "didact" is another project. Package and command are called didact."""


def installation(extra: str) -> str:
    """The command that installs the optional libraries of ``extra``, for a message: from where
    didact itself was installed.
    """
    return f"pip install {_installed_from()}".replace("EXTRA", extra)


@cache
def _installed_from() -> str:
    """What pip is asked for: the folder that didact was installed from, or the package index."""
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    try:
        origin = json.loads(distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, OSError, ValueError):
        origin = {}
    if "dir_info" not in origin:
        return f"'{DISTRIBUTION}[EXTRA]'"
    folder = url2pathname(urlparse(origin["url"]).path)
    editable = "-e " if origin["dir_info"].get("editable") else ""
    return f"{editable}{shlex.quote(f'{folder}[EXTRA]')}"
