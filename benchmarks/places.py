"""Times one study in one process, in workers, and on two Ray nodes while one is killed, and compares the tables and weights.

    OMP_NUM_THREADS=1 python benchmarks/places.py --out benchmarks/results/places-cpu.json

The nodes are processes on this machine, with one core each. The second one is killed when a quarter of the runs have ended, so
the rest of its job goes on elsewhere. With OMP_NUM_THREADS set, all places compute with as many threads, so the weights must be
the same bit by bit, and every figure that the command prints ("same_figures"), but for seconds: a study of costs shows how long
its teachers took. No two runs have these in common, so they are not compared, nor the notes of tables that hold them. Starting
torch, the workers and the connection to Ray is timed; starting the cluster is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from didact.engine.threads import wait_passively
from provenance import Row, about
from workers import untimed

STUDY = ["study", "gtn", "--scale", "digits", "--seeds", "2", "--epochs", "15"]


def weights(store: str) -> dict[str, str]:
    """SHA-256 of the weights of every run in a store, by digest."""
    files = sorted(Path(store).glob("runs/*/weights.safetensors"))
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def measure(command: list[str], place: list[str], watch: Any = None) -> tuple[Row, Any]:
    """The command on an empty store: its row, and what must be equal everywhere: its figures and its weights."""
    with tempfile.TemporaryDirectory() as store:
        arguments = [*command, *place, "--store", store, "--json"]
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "didact", *arguments], stdout=subprocess.PIPE, text=True)
        killer = threading.Thread(target=watch, args=(store, process), daemon=True) if watch else None
        if killer:
            killer.start()
        printed, _ = process.communicate()
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
        kept = weights(store)
    return {"seconds": round(seconds, 1), "runs": len(kept)}, (json.loads(printed), kept)


def on_two_nodes(command: list[str], runs: int) -> tuple[Row, Any]:
    """The command on a cluster of two nodes. The second one is killed when a quarter of the runs have ended."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    second, killed = cluster.add_node(num_cpus=1), list[int]()
    cluster.wait_for_nodes()

    def kill(store: str, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            ended = len(weights(store))
            if ended >= runs // 4:
                cluster.remove_node(second, allow_graceful=False)
                killed.append(ended)
                return
            time.sleep(0.5)

    try:
        row, equal = measure(command, ["--on", cluster.address], kill)
    finally:
        cluster.shutdown()
    if not killed:
        raise SystemExit("the study ended before a node was killed")
    return row | {"ended_at_the_kill": killed[0]}, equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="of didact, with its settings")
    options = parser.parse_args()
    options.device = "cpu"
    command = options.command or STUDY
    wait_passively()
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder) / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
        places = {"one process": measure(command, ["--workers", "1"])}
        places["two workers"] = measure(command, ["--workers", "2"])
        places["two Ray nodes, one killed"] = on_two_nodes(command, places["one process"][0]["runs"])
    first, expected = places["one process"]
    for name, (row, equal) in places.items():
        row["ratio"] = round(first["seconds"] / row["seconds"], 2)
        row["same_figures"] = untimed(equal[0]) == untimed(expected[0])
        row["same_weights"] = equal[1] == expected[1]
        print(f"{name}:", *(f"{key} {value}" for key, value in row.items()))
    rows = {name: row for name, (row, _) in places.items()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(about(options) | {"command": command, "places": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
