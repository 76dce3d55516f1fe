"""Tallies, and a golden curve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from didact.data import loader
from didact.data.augment import normalise
from didact.engine.tally import Tally
from didact.execution import Execution, execute
from didact.request.plan import plan
from didact.runs.run import everything
from didact.store.store import Store
from didact.tensors import Batch


def batch(labels):
    """A batch of which nothing but the labels is looked at."""
    return Batch(torch.zeros(len(labels), 1, 1, 1), labels, torch.arange(len(labels)))


def test_a_tally_averages_over_images_and_finds_the_first_fault() -> None:
    tally = Tally(torch.device("cpu"))
    logits, labels = torch.eye(4), torch.arange(4)
    tally.add({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, {"": logits}, batch(labels))
    tally.add({"a": torch.tensor(4.0), "b": torch.tensor(2.0)}, {"": logits[:2], "half": logits[:2]}, batch(1 - labels[:2]))
    assert tally.means() == pytest.approx({"a": 2.0, "b": 2.0})
    figures = tally.accuracies.percentages("train")
    assert figures == pytest.approx({"train_top1": 100 * 4 / 6, "train_top5": 100.0, "train_half_top1": 0.0})
    assert tally.fault() is None
    tally.add({"a": torch.tensor(1.0), "b": torch.tensor(torch.inf)}, {}, batch(labels))
    tally.add({"a": torch.tensor(torch.nan), "b": torch.tensor(1.0)}, {}, batch(labels))
    assert tally.fault() == "term 'b' was not finite from step 3 on"


GOLDEN = Path(__file__).with_name("golden.json")


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Weights and images in float64: in float32, training makes 1e-2 of the 6e-8 by which processors round differently."""
    monkeypatch.setattr(loader, "normalise", lambda *given: normalise(*given).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("few_digits", "doubled")
def test_the_losses_are_yesterdays(tmp_path: Path) -> None:
    """The loss of every epoch of an SFTN teacher and its students. A change here changes results: raise the part's version.

    In small steps and in float64, two ways to add differ by 1e-13 in the trained weights. Written anew by DIDACT_GOLDEN=write.
    """
    runs = plan(
        {
            "net": "resnet8",
            "data": {"name": "digits", "per_class": 6},
            "recipe": {"epochs": 2, "batch_size": 20, "learning_rate": 0.005, "precision": "fp32"},
            "teacher": {"net": "resnet14", "method": "sftn"},
            "method": "ce,kd,fitnet,fitnet+kd,at+kd,sp+kd",
        }
    )
    answer = execute(runs, Store(tmp_path), Execution(test_every=9))
    rows = {r.label: answer.records[r.digest].metrics() for r in everything(runs)}
    curves = {label: [float(f"{row['loss']:.8g}") for row in metrics] for label, metrics in rows.items()}
    if os.environ.get("DIDACT_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(curves, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert curves.keys() == golden.keys()
    for label, losses in curves.items():
        assert losses == pytest.approx(golden[label], rel=1e-6), label  # a tally adds in float32
