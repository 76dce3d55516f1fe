"""Processes that share a store: one waits for another, and one goes on where another was killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.execution import Execution, execute
from didact.files.tensors import read_tensors
from didact.runs.run import Run
from didact.store.store import Store
from didact.store.upkeep.locks import locked

pytestmark = pytest.mark.usefixtures("few_digits")


Tiny = Callable[..., Run]

CHILD = """
import sys
from threading import Event
from didact.execution import Execution, execute
from didact.execution.progress import Learned
from didact.runs.run import Run
from didact.store.store import Store
from didact.spec import from_json
import json
run = from_json(Run, json.loads(sys.argv[2]))
store = Store(sys.argv[1], lambda m: print(m, flush=True))
print("ready", flush=True)


def show(event):
    if isinstance(event, Learned) and event.row["epoch"] == int(sys.argv[3]):
        Event().wait()  # for the kill


answer = execute([run], store, Execution(), show)
print("done", answer.records[run.digest].final()["test_top1"], flush=True)
"""


@contextlib.contextmanager
def child(store: Store, run: Run, until: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process that trains the run, and is killed with the block. After the epoch ``until`` it trains no more."""
    from didact.spec import canonical

    arguments = [sys.executable, "-c", CHILD, str(store.root), canonical(run), str(until)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_train_a_run_once(tiny: Tiny, store: Store) -> None:
    """While one holds the run, the other says so and waits; then it reads the Record."""
    run = tiny("ce")
    with contextlib.ExitStack() as started:
        with locked(store, [run]):
            process = started.enter_context(child(store, run))
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            assert "another process is training" in lines[1]
            record = _train_while_locked(store, run)
        rest, _ = process.communicate()
    assert "done" in rest
    assert (record.folder / "record.json").stat().st_mtime_ns == _stamp(store, run)


def _train_while_locked(store: Store, run: Run) -> Any:
    """What execute() does inside its lock; the lock is re-entrant for the process that holds it through the same object only."""
    other = Store(store.root.with_name("elsewhere"))
    execute([run], other, Execution())
    other.folder(run).rename(_made(store.folder(run)))
    record = store.get(run)
    assert record is not None
    return record


def _made(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _stamp(store: Store, run: Run) -> int:
    return (store.folder(run) / "record.json").stat().st_mtime_ns


def test_kill_minus_nine_and_ask_again(tiny: Tiny, tmp_path: Path) -> None:
    """A real SIGKILL at some moment of the training; asked again it resumes and ends with the weights of an unbroken run."""
    from didact.engine.recipe import Recipe

    run = tiny("ce", recipe=Recipe(epochs=20, batch_size=16, schedule="one-cycle"))
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    execute([run], whole, Execution())
    with child(broken, run, until=15) as process:  # on a busy machine the kill may come late
        metrics = broken.folder(run) / "metrics.jsonl"
        while not metrics.exists() or metrics.read_text().count("\n") < 3:
            assert process.poll() is None
            time.sleep(0.01)
    assert broken.get(run) is None
    kept = read_tensors(broken.folder(run) / "checkpoint.safetensors")[1]["total"]
    assert 0 < kept < 20
    execute([run], broken, Execution())
    first, second = (s.get(run).weights()[0] for s in (whole, broken))  # type: ignore[union-attr]
    assert all(torch.equal(first[k], second[k]) for k in first)
