"""Stages: what moves in them, at which rate, how long, what is read, and that they resume in their middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from didact.data import Data, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.files.tensors import read_tensors, write_tensors
from didact.method import Method, Pair, Stage, StepContext
from didact.spec import spec
from didact.tensors import Needs, Outputs, reads
from support.training import Ear, learner, run, taught

DATASET = load(Data(per_class=4))


def make(method: Method, epochs: int) -> Learner:
    return learner(method, "resnet8", DATASET, Recipe(epochs=epochs, batch_size=16, schedule="one-cycle"))


class Memory(nn.Module):
    """A linear layer, a memory addressed by the images' index, and a part that is never trained."""

    def __init__(self, width: int, samples: int) -> None:
        super().__init__()
        self.probe = nn.Linear(width, 10)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(samples))


@spec
class Staged(Method):
    """Two epochs of its probe alone at a constant rate, then everything."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("probe", epochs=2, moves=("extras.probe",), learning_rate=0.01), Stage())

    @property
    def needs(self) -> Needs:
        return reads("logits pooled")

    def build(self, pair: Pair) -> nn.Module:
        return Memory(pair.shapes.pooled[0], pair.samples)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Memory)
        assert context.own.logits is not None
        assert context.own.pooled is not None
        extras.seen[context.batch.index] += 1
        noise = torch.rand((), generator=context.random)  # the learner's own stream, kept with its state
        probed = functional.cross_entropy(extras.probe(context.own.pooled), context.batch.labels)
        if context.clock.stage == "probe":
            return {"probe": probed * (1 + noise)}
        return {"ce": functional.cross_entropy(context.own.logits, context.batch.labels), "probe": probed * noise}


def test_a_stage_moves_only_what_it_names() -> None:
    one = make(Staged(), epochs=2)
    before = {k: v.clone() for k, v in one.net.named_parameters()}
    probe = one.extras.probe.weight.clone()  # type: ignore[union-attr]
    frozen = one.extras.frozen.weight.clone()  # type: ignore[union-attr]
    rows = []

    def after(_: Learner, row: dict[str, Any]) -> None:
        rows.append(row)
        if row["epoch"] == 2:
            assert all(torch.equal(before[k], v) for k, v in one.net.named_parameters())
            assert not torch.equal(probe, one.extras.probe.weight)  # type: ignore[union-attr, arg-type]

    run((one,), dataset=DATASET, ear=Ear(after))
    assert [(r["epoch"], r["stage"]) for r in rows] == [(1, "probe"), (2, "probe"), (3, "train"), (4, "train")]
    assert rows[0]["lr"] == 0.01
    assert not all(torch.equal(before[k], v) for k, v in one.net.named_parameters())
    assert torch.equal(frozen, one.extras.frozen.weight)  # type: ignore[union-attr, arg-type]
    assert torch.equal(one.extras.seen, torch.full((40,), 4.0))  # type: ignore[arg-type]


def test_resumed_in_the_middle_of_a_stage_it_ends_the_same(tmp_path: Path) -> None:
    """Through a file, at every epoch boundary of both stages: weights, memory, momentum and random stream come back."""
    whole = make(Staged(), epochs=3)
    run((whole,), dataset=DATASET, ear=Ear(lambda one, row: write_tensors(tmp_path / str(row["epoch"]), *one.state())))
    for stop in range(1, 5):
        again = make(Staged(), epochs=3)
        again.restore(*read_tensors(tmp_path / str(stop)))
        run((again,), dataset=DATASET)
        for part in ("net", "extras"):
            a, b = getattr(whole, part).state_dict(), getattr(again, part).state_dict()
            assert all(torch.equal(a[k], b[k]) for k in a), (stop, part)


@spec
class Apart(Method):
    """A quarter of the recipe's epochs, with a falling rate, in which only the teacher is looked at; then the labels."""

    def stages(self) -> tuple[Stage, ...]:
        alone = reads("", teacher="pooled")
        first = Stage("probe", share=0.25, moves=("extras.",), learning_rate=0.04, milestones=(0.5,), needs=alone)
        return (first, Stage(moves=("net.",)))

    @property
    def needs(self) -> Needs:
        return reads("logits")

    def build(self, pair: Pair) -> nn.Module:
        return Memory(pair.shapes.pooled[0], pair.samples)

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert isinstance(extras, Memory)
        if context.clock.stage == "probe":
            assert context.own == Outputs()
            assert context.teacher is not None
            assert context.teacher.pooled is not None
            return {"probe": functional.cross_entropy(extras.probe(context.teacher.pooled), context.batch.labels)}
        assert context.teacher is None
        assert context.own.logits is not None
        return {"ce": functional.cross_entropy(context.own.logits, context.batch.labels)}


def test_a_network_that_a_stage_does_not_read_is_not_run() -> None:
    one = make(Apart(), epochs=8)
    before = {k: v.clone() for k, v in one.net.state_dict().items()}
    rows: list[dict[str, Any]] = []

    def after(_: Learner, row: dict[str, Any]) -> None:
        rows.append(row)
        if row["stage"] == "probe":
            assert all(torch.equal(before[k], v) for k, v in one.net.state_dict().items())  # statistics included

    run((one,), dataset=DATASET, teacher=taught("resnet8", DATASET.image)[0], ear=Ear(after))
    assert [row["stage"] for row in rows] == ["probe"] * 2 + ["train"] * 8
    assert [row["lr"] for row in rows[:2]] == pytest.approx([0.04, 0.004])
    assert ["train_top1" in row for row in rows] == [False] * 2 + [True] * 8
    assert not all(torch.equal(before[k], v) for k, v in one.net.named_parameters())


@pytest.mark.parametrize(
    ("stage", "length", "rates"),
    [
        (Stage(), 12, [None, None]),
        (Stage(epochs=3), 3, [None, None]),
        (Stage(share=0.125), 2, [None, None]),
        (Stage(share=0.01, milestones=()), 1, [0.1, 0.1]),
        (Stage(epochs=4, learning_rate=0.5, milestones=(0.5, 0.75)), 4, [0.5, 0.5, 0.05, 0.005]),
    ],
)
def test_a_stages_length_and_rate(stage: Stage, length: int, rates: list[float | None]) -> None:
    assert stage.length(12) == length
    assert [stage.lr(epoch, length, 0.1) for epoch in range(len(rates))] == [r and pytest.approx(r) for r in rates]
