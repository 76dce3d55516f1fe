"""For tests of processes that share every batch: runs of many methods, trained by this file as a program, in one process
or in two. It computes in float64, so that what differs by rounding alone is told from what differs; networks of 8 bits
compute in float32 alone.

    python -m support.shared STORE NAME,NAME,... EPOCHS [--killed] [--float32]
"""

from __future__ import annotations

import atexit
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from didact.data import Data, ImageSet
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.runs.groups import Peer
from didact.runs.run import Run
from didact.spec import choose, from_json

TESTS = Path(__file__).resolve().parents[1]
NET, OTHER = "basic-4-1x4-1x6-1x8", "basic-4-1x4-1x6-1x10"
PLAIN = "ce kd fitnet+kd at vid reviewkd ft simkd sp rkd crd sskd dist cc semckd"
METHODS: dict[str, Any] = {name: name for name in PLAIN.split()}
METHODS |= {
    "recipe": "fitnet",  # with mixed images, clipped and accumulated gradients, averaged weights
    "gated": {"name": "simkd+gated"},
    "sftn": {"name": "sftn", "student": NET},
    "gtn": {"name": "gtn", "pool": [NET, OTHER], "after": [0, 1], "sampling": "trained"},
    "dml": "dml",
    "kdcl": {"name": "kdcl", "target": "general"},
    "linear": {"name": "kdcl", "target": "linear"},
    "bits": "kd",  # of 8 bits, whose ranges follow the whole batch
    "shares": "fitnet",  # norms over each process's share
    "whole": "sskd",  # the same, and terms of whole batches, of four views
}
"""Settings by a short name."""
RECIPES: dict[str, dict[str, Any]] = {
    "bits": {"bits": 8},
    "shares": {"norm_shares": 2, "ema": 0.9},
    "whole": {"norm_shares": 2},
    "recipe": {"mixup": 0.4, "clip": 1.0, "accumulate": 2, "ema": 0.9},
}


def few() -> ImageSet:
    """48 images to train on, 13 to test on, of four classes."""
    pixels = np.random.default_rng(0).integers(0, 256, (61, 1, 8, 8), dtype=np.uint8)
    labels = np.arange(61) % 4
    return ImageSet((pixels[:48], labels[:48]), (pixels[48:], labels[48:]))


def made(name: str, epochs: int = 1) -> Run:
    """The run of a name: batches of 15 and of 3 at the end of an epoch, which two processes cannot divide."""
    data = from_json(Data, {"name": "support.shared:few", "validation": 0.25 if name == "kdcl" else 0})
    more = RECIPES.get(name, {})
    recipe = Recipe(epochs=epochs, batch_size=15, learning_rate=0.02, schedule="one-cycle", precision="fp32", **more)
    method = choose(Method, METHODS[name])
    teacher = Run(net="basic-8-1x6-1x8-1x8", data=data, recipe=recipe, seed=9) if method.needs.teacher else None
    peers = (Peer(net=OTHER, recipe=recipe, method=method, seed=0),) if method.needs.peers else ()
    return Run(net=NET, data=data, recipe=recipe, method=method, teacher=teacher, peers=peers)


def say_threads() -> None:
    """Say which threads of gloo are left, where the system lists threads by name."""
    for path in Path("/proc/self/task").glob("*/comm"):
        if "gloo" in (name := path.read_text().strip()):
            print("left", name, flush=True)


def main(arguments: Sequence[str]) -> None:
    """Train the runs into the store, and say a checksum of what every learner holds at the end. ``--killed``: the
    process that writes is killed after the first epoch.
    """
    import torch

    from didact.data import loader
    from didact.engine.train import Cohort
    from didact.execution import Execution, execute, work
    from didact.execution.progress import Event, Learned
    from didact.store.store import Store

    store, names, epochs, *flags = arguments
    atexit.register(say_threads)  # before the group's own, so that it runs after it
    if "--float32" not in flags:
        torch.set_default_dtype(torch.float64)
        normalise = loader.normalise
        loader.normalise = lambda *given: normalise(*given).double()  # type: ignore[assignment]
    train = work.train

    def trained(cohort: Cohort, *others: Any, **more: Any) -> None:
        train(cohort, *others, **more)
        for one in cohort.learners:
            total = hashlib.sha256(b"".join(x.contiguous().numpy().tobytes() for x in one.state()[0].values()))
            print("holds", one.label, total.hexdigest(), flush=True)

    def show(event: Event) -> None:
        if "--killed" in flags and isinstance(event, Learned) and event.row["epoch"] == 1 and not event.done:
            os.kill(os.getpid(), signal.SIGKILL)

    work.train = trained  # type: ignore[assignment]

    runs = [made(name, int(epochs)) for name in names.split(",")]
    outcome = execute(runs, Store(Path(store)), Execution(test_every=99), show)
    assert not outcome.failures, outcome.failures


def start(arguments: Sequence[str | Path], rank: int = 0, size: int = 1, port: int = 0) -> subprocess.Popen[str]:
    """This file as a program, in a process of so many, which meet at ``port``, where somebody listens already."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    place |= {"TORCHELASTIC_USE_AGENT_STORE": True}
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    environment["PYTHONFAULTHANDLER"] = "1"  # a process that aborts says where
    if size > 1:
        environment |= {name: str(value) for name, value in place.items()}
    command = [sys.executable, "-m", "support.shared", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    main(sys.argv[1:])
