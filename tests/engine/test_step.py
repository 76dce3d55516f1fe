"""Tallies, hits, and a golden curve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from didact.data import loader
from didact.data.augment import normalise
from didact.engine.step import Tally, hits
from didact.execution import Execution, execute
from didact.request.plan import plan
from didact.runs.run import everything
from didact.store.store import Store


def test_hits_by_hand() -> None:
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4], [0, 1, 2, 3, 4, 5], [1, 0, 0, 0, 0, 0.5]])
    assert hits(logits, torch.tensor([0, 1, 5])).tolist() == [1, 3]
    assert hits(logits, torch.tensor([5, 0, 0])).tolist() == [1, 1]
    assert hits(torch.tensor([[1.0, 2.0]]), torch.tensor([0])).tolist() == [0, 1]  # fewer than five classes
    none = torch.tensor([[torch.nan] * 3, [torch.inf, 0.0, 0.0], [-torch.inf] * 3, [0.0, 1.0, -torch.inf]])
    assert hits(none, torch.tensor([0, 0, 0, 1])).tolist() == [1, 1]  # no answer, but where a class is masked


def test_a_tally_averages_over_images_and_finds_the_first_fault() -> None:
    tally = Tally(torch.device("cpu"))
    logits, labels = torch.eye(4), torch.arange(4)
    tally.add({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}, logits, labels, 0)
    tally.add({"a": torch.tensor(4.0), "b": torch.tensor(2.0)}, logits[:2], 1 - labels[:2], 1)
    assert tally.means() == pytest.approx({"a": 2.0, "b": 2.0})
    assert tally.accuracies() == pytest.approx((100 * 4 / 6, 100.0))
    assert tally.fault() is None
    tally.add({"a": torch.tensor(1.0), "b": torch.tensor(torch.inf)}, logits, labels, 2)
    tally.add({"a": torch.tensor(torch.nan), "b": torch.tensor(1.0)}, logits, labels, 3)
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
