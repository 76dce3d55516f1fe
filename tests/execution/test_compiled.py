"""The same runs by torch.compile and on a GPU. Left out of the default tier: one takes minutes, the other needs a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from didact.engine.recipe import Recipe, best_precision
from didact.execution import Execution, execute
from didact.runs.run import Run
from didact.store.store import Store

pytestmark = pytest.mark.usefixtures("few_digits")


METHODS = ["ce", "kd", "fitnet+kd", "at+kd", "sp+kd", {"name": "sftn", "student": "resnet8"}]


@pytest.mark.slow
def test_compiled_it_learns_the_same(tmp_path: Path) -> None:
    """In processes of their own, because torch.compile cannot see through the shape checks that the tests switch on."""
    asked = ["train", "--net", "resnet8", "--teacher.net", "resnet8", "--method", "fitnet+kd", "--data.per_class", "6"]
    asked += ["--epochs", "2", "--recipe.batch_size", "15", "--precision", "fp32"]
    losses = []
    for number, more in enumerate(([], ["--compile"])):
        store = tmp_path / str(number)
        command = [sys.executable, "-m", "didact", *asked, *more, "--store", str(store)]
        subprocess.run(command, check=True, capture_output=True)
        (metrics,) = store.glob("runs/*fitnet*/metrics.jsonl")
        losses.append([json.loads(line)["loss"] for line in metrics.read_text().splitlines()])
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_alone_equals_cohort_on_a_gpu(tiny: Callable[..., Run], tmp_path: Path, precision: str) -> None:
    """With deterministic kernels, the same bits there too."""
    recipe = Recipe(epochs=2, batch_size=16, schedule="one-cycle", precision=precision)  # type: ignore[arg-type]
    teacher = tiny(seed=100, recipe=recipe)
    runs = [tiny(m, recipe=recipe, **({"teacher": teacher} if m in METHODS[1:-1] else {})) for m in METHODS]
    together = Store(tmp_path / "together")
    execute(runs, together, Execution(device="cuda", deterministic=True))
    for number, run in enumerate(runs):
        alone = Store(tmp_path / f"alone{number}")
        execute([run], alone, Execution(device="cuda", deterministic=True, cohort_size=1))
        first, second = (s.get(run) for s in (alone, together))
        assert first is not None
        assert second is not None
        a, b = first.weights()[0], second.weights()[0]
        assert all(torch.equal(a[k], b[k]) for k in a), run.label


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_computes_what_the_cpu_does(tiny: Callable[..., Run], tmp_path: Path) -> None:
    """The same initialisation and the same batches: the first epoch's losses agree to rounding."""
    run = tiny("at+kd")
    losses = []
    for device in ("cpu", "cuda"):
        answer = execute([run], Store(tmp_path / device), Execution(device=device, test_every=9))
        losses.append(answer.records[run.digest].metrics()[0]["loss"])
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)
    assert best_precision("cuda") in ("bf16", "fp32")
