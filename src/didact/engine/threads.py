"""How the threads of one process wait for each other. Imports nothing, because it has to come
before torch.
"""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let OpenMP's threads sleep where they wait, unless the environment says how: to be called
    before torch is imported.

    They spin otherwise, and beside another busy process two of them can take several times the
    processor's time.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
