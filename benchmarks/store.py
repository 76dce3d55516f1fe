"""What it costs to find one's way in a store of many Records.

    python benchmarks/store.py --records 2000 --out benchmarks/results/store-cpu.json

The store is synthetic: resnet8 with KD from one resnet14, seeds 0 to n - 1, on the digits. Each Record has its own spec and
figures; their weights are one file, linked. Every command has a process of its own. "start" is a command without a store;
its processor time is subtracted from the others' in "beyond_start".
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.files.tensors import write_tensors
from didact.method import Method
from didact.runs.build import extras, network, pair, placeholders
from didact.runs.run import Run
from didact.spec import canonical, choose
from didact.store.record import Record
from didact.store.store import Store
from provenance import Row, about

DATA = Data(name="digits", per_class=2)
RECIPE = Recipe(epochs=2, batch_size=16)
SAMPLES = 20
TEACHER = Run(net="resnet14", data=DATA, recipe=RECIPE, seed=100)


def student(seed: int) -> Run:
    return Run(net="resnet8", data=DATA, recipe=RECIPE, seed=seed, method=choose(Method, "kd"), teacher=TEACHER)


def weights(run: Run, path: Path) -> None:
    """Those of the untrained network."""
    net, teacher = network(run), network(run.teacher) if run.teacher else None
    added = extras(run, pair(run, net, teacher, placeholders(run, SAMPLES)))
    parts = {"net": net, "extras": added}
    tensors = {f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()}
    write_tensors(path, tensors, {"samples": SAMPLES})


def record(store: Store, run: Run, shared: Path) -> None:
    """A Record of ``run``, as if it had been trained; its weights are a link to those in ``shared``."""
    path = shared / f"{run.net}.safetensors"
    if not path.exists():
        weights(run, path)
    folder = store.folder(run)
    folder.mkdir(parents=True)
    os.link(path, folder / "weights.safetensors")
    rows = [{"epoch": epoch, "test_top1": 40.0 + epoch + run.seed % 7} for epoch in range(1, RECIPE.epochs + 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "spec.json").write_text(canonical(run))
    (folder / "environment.json").write_text(json.dumps({"torch": torch.__version__, "device": "cpu"}))
    (folder / "images.json").write_text("{}")
    Record.seal(folder)


def timed(command: list[str], store: Path) -> Row:
    """Seconds of ``didact`` with ``command``, and what the processor spent on it.

    Raises:
        CalledProcessError: it failed.
    """
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "didact", *command, "--store", str(store)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.perf_counter() - wall, 2), "cpu_seconds": round(busy, 2)}


def measure(options: argparse.Namespace, root: Path) -> dict[str, Row]:
    store = Store(root / "store")
    begun = time.process_time()
    for run in [TEACHER, *map(student, range(options.records))]:
        record(store, run, root)
    found: dict[str, Row] = {"make": {"cpu_seconds": round(time.process_time() - begun, 2)}}
    one = student(options.records // 2).digest
    commands = {
        "start": ["list", "recipes", "--json"],
        "first list runs": ["list", "runs", "--json"],
        "list runs": ["list", "runs", "--json"],
        "runs where": ["runs", "--where", "method=kd and top1>45", "--sort=-top1", "--json"],
        "runs where setting": ["runs", "--where", "recipe.batch_size=16 and teacher.net=resnet14", "--json"],
        "note": ["runs", "note", one, "the one in the middle"],
        "gc": ["runs", "gc", "--json"],
        "export 10": ["runs", "export", "--where", "seed<10", "-o", str(root / "runs.tar")],
        "rm 10": ["runs", "rm", "--where", "seed<10", "--yes"],
        "import 10": ["runs", "import", str(root / "runs.tar")],
        "show": ["show", one, "--json"],
        "look": ["look", one, "--json"],
    }
    if options.compare:
        timed(["compare", "--json"], store.root)  # measures what it keeps beside every Record
        commands["compare"] = ["compare", "--json"]
    for name, command in commands.items():
        found[name] = timed(command, store.root)
        found[name]["beyond_start"] = round(found[name]["cpu_seconds"] - found["start"]["cpu_seconds"], 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", default=2000, type=int)
    parser.add_argument(
        "--no-compare", dest="compare", action="store_false", help="leave out the command that measures first"
    )
    parser.add_argument("--out", default=os.devnull, type=Path, help="JSON file")
    options = parser.parse_args()
    options.device = "cpu"
    with tempfile.TemporaryDirectory() as folder:
        result = about(options) | {"commands": measure(options, Path(folder))}
    for name, row in result["commands"].items():
        print(f"{name:16}", *(f"{key} {value:.6g}" for key, value in row.items()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
