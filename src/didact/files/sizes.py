"""What files take on disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def size(path: Path) -> int:
    """Bytes of the file at ``path``, or of all files below it. Links are counted, not followed;
    what vanishes meanwhile counts nothing."""
    total = 0
    with contextlib.suppress(OSError):
        total = 0 if path.is_dir() and not path.is_symlink() else path.lstat().st_size
    for parent, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total
