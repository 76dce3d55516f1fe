"""The same runs by torch.compile. Left out of the default tier: it takes minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
