"""The circumstances of a training: versions, processor, device, command. A record of them is no
part of a run.
"""

from __future__ import annotations

import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import torch

from didact.engine.parallel.group import current
from didact.machine import processor


def environment(device: str) -> dict[str, Any]:
    """What the run was computed with; a record of the circumstances, not a part of the run."""
    from didact import __version__

    processes = current()
    shared: dict[str, Any] = {} if processes.size == 1 else {"processes": processes.size}
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else processor()
    return {
        "didact": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads(),
        **shared,
        "command": typed(),
    }


def typed() -> str:
    """The command of this process as a shell takes it; a package that was started by ``python -m``
    by its name."""
    program = Path(sys.argv[0])
    start = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shlex.join([*start, *sys.argv[1:]])


def continued(before: dict[str, Any], epochs: int) -> dict[str, Any]:
    """The environment of a run that goes on after so many epochs in this process; ``before``: what
    it was until now.

    On a processor, bits depend on the number of threads, and everywhere on the number of processes
    that share a batch; so another number than before is added.
    """
    if before["device"] == "cpu":
        before = _changed(before, "threads", torch.get_num_threads(), epochs)
    return _changed({"processes": 1} | before, "processes", current().size, epochs) if _shared(before) else before


def _shared(before: dict[str, Any]) -> bool:
    return "processes" in before or "processes_later" in before or current().size > 1


def _changed(before: dict[str, Any], what: str, now: int, epochs: int) -> dict[str, Any]:
    changes = before.get(f"{what}_later", [])
    last = changes[-1][what] if changes else before.get(what, now)
    return before if now == last else before | {f"{what}_later": [*changes, {"after_epoch": epochs, what: now}]}
