"""What the figures of a benchmark must name."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

Row = dict[str, Any]


def about(options: argparse.Namespace) -> Row:
    """What a figure must name: machine, date, versions, commit (-dirty where files differ from it), command."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [row for row in cpuinfo.read_text().splitlines() if row.startswith("model name")] if cpuinfo.exists() else []
    machine = {"processor": models[0].partition(": ")[2] if models else "unknown", "cores": os.cpu_count()}
    describe = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "benchmark": Path(sys.argv[0]).stem,
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "machine": machine | ({"gpu": torch.cuda.get_device_name()} if options.device == "cuda" else {}),
        "load_average": os.getloadavg()[0],
        "torch": torch.__version__,
        "settings": {key: value for key, value in vars(options).items() if key != "out"},
    }
