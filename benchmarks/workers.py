"""Seconds of a whole command with one worker and with several, each on a store of its own, in one run.

    python benchmarks/workers.py --out benchmarks/results/workers-cpu.json
    python benchmarks/workers.py --workers 1,2,4,auto study gtn --scale digits

The command is ``didact quickstart`` unless one is given. Its start is included: a worker imports torch anew. "threads" are those
of a training. With OMP_NUM_THREADS unset, they are divided among the workers; set, every worker has as many, and all figures that
the commands print are the same, but for seconds that a study measures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from didact.engine.threads import wait_passively
from provenance import Row, about


def measure(command: list[str], workers: str) -> tuple[Row, Any]:
    """One command on an empty store: its row, and the figures that it prints."""
    with tempfile.TemporaryDirectory() as store:
        arguments = [*command, "--workers", workers, "--store", store, "--json"]
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "didact", *arguments], stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - began
        environments = [json.loads(path.read_text()) for path in Path(store).glob("runs/*/environment.json")]
    threads = sorted({environment["threads"] for environment in environments})
    return {"seconds": round(seconds, 1), "threads": threads, "runs": len(environments)}, json.loads(done.stdout)


TIMES = {"seconds", "cpu_seconds"}
"""What tables call the seconds that were measured while a teacher was trained."""


def untimed(printed: Any) -> Any:
    """What a command has printed, without measured seconds and the notes of tables that hold some."""
    if isinstance(printed, list):
        return [untimed(one) for one in printed]
    if not isinstance(printed, dict):
        return printed
    figures = printed.get("figures")
    rows = figures.values() if isinstance(figures, dict) else ()
    left_out = TIMES | ({"note"} if any(isinstance(row, dict) and TIMES & row.keys() for row in rows) else set())
    return {name: untimed(value) for name, value in printed.items() if name not in left_out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="of didact, with its settings")
    options = parser.parse_args()
    options.device = "cpu"
    wait_passively()
    numbers = options.workers.split(",")
    results = {number: measure(options.command or ["quickstart"], number) for number in numbers}
    first, figures = results[numbers[0]]
    for number, (row, own) in results.items():
        row["ratio"] = round(first["seconds"] / row["seconds"], 2)
        row["same_figures"] = untimed(own) == untimed(figures)
        print(f"{number} workers", *(f"{key} {value}" for key, value in row.items()))
    rows = {number: row for number, (row, _) in results.items()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(about(options) | {"workers": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
