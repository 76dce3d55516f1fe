"""The circumstances of a training: versions, processor, device, command. A record of them is no
part of a run.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import torch

from didact.machine import processor


def environment(device: str) -> dict[str, Any]:
    """What the run was computed with; a record of the circumstances, not a part of the run."""
    from didact import __version__

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else processor()
    return {
        "didact": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def continued(before: dict[str, Any], epochs: int) -> dict[str, Any]:
    """The environment of a run that goes on after so many epochs in this process; ``before``: what
    it was until now.

    On a processor, bits depend on the number of threads, so another number than before is added.
    """
    now, changes = torch.get_num_threads(), before.get("threads_later", [])
    last = changes[-1]["threads"] if changes else before.get("threads", now)
    if before["device"] != "cpu" or now == last:
        return before
    return before | {"threads_later": [*changes, {"after_epoch": epochs, "threads": now}]}
