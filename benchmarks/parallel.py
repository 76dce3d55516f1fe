"""Seconds of an epoch of one training by one process and by processes of torchrun that share every batch.

    python benchmarks/parallel.py --out benchmarks/results/parallel-cpu.json
    python benchmarks/parallel.py train --net resnet32x4 --data cifar100 --epochs 3

The command is trained into a store of its own in each place. "seconds" is the median over its epochs but the first, by the clock;
"cpu_seconds" is the processor time of an epoch, over all processes: where the machine is busy, that is what can be compared. It
says what the exchanges between processes cost, not what is gained. "ratio" and "cpu_ratio" are over one process of one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from didact.engine.threads import wait_passively
from provenance import Row, about

TRAIN = ["train", "--net", "resnet8x4", "--data", "digits", "--epochs", "5", "--precision", "fp32"]
PLACES = {
    "one process, one thread": (1, 1),
    "one process, two threads": (1, 2),
    "two processes, one thread each": (2, 1),
}
"""Numbers of processes, and of threads of each."""


def measure(command: list[str], processes: int, threads: int) -> Row:
    """One training: seconds of an epoch by the clock and of processor time."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    with tempfile.TemporaryDirectory() as store:
        words = [sys.executable, *torchrun, "-m", "didact", *command, "--store", store, "--json"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=True)
        (metrics,) = Path(store).glob("runs/*/metrics.jsonl")
        rows = [json.loads(line) for line in metrics.read_text().splitlines()][1:]
    cpu = processes * median(row["cpu_seconds"] for row in rows)  # that of the first process is kept
    return {"seconds": round(median(row["seconds"] for row in rows), 3), "cpu_seconds": round(cpu, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="of didact: one network, two epochs or more")
    options = parser.parse_args()
    options.device = "cpu"
    command = options.command or TRAIN
    wait_passively()
    rows = {name: measure(command, *place) for name, place in PLACES.items()}
    first = next(iter(rows.values()))
    for name, row in rows.items():
        row |= {
            "ratio": round(first["seconds"] / row["seconds"], 2),
            "cpu_ratio": round(first["cpu_seconds"] / row["cpu_seconds"], 2),
        }
        print(f"{name}:", *(f"{key} {value}" for key, value in row.items()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(about(options) | {"command": command, "places": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
