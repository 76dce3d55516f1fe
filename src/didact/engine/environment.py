"""What is written to disk, and how: every file is written to a temporary name, synced, then renamed; nothing executes code.

A Record's folder:

    spec.json            the run, canonical JSON            environment.json   versions, device, command
    images.json          which images, by index             metrics.jsonl      one line an epoch
    checkpoint.safetensors   while it trains: its state     weights.safetensors    when done: net.* and extras.*
    record.json          checksums; written last            failed.json        why it stopped, if it did
    route/0060.safetensors   net.* after epoch 60, where a student follows the route
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

import torch


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


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
