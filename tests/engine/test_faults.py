"""A network that broke down is a failed training, however finite its losses are."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.data import Data, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.method import Method, StepContext
from didact.methods.ce import CE
from didact.nets.blocks import BlockNet
from didact.spec import spec
from support.training import Ear, learner, run

DATASET = load(Data(classes=2, per_class=5))
RECIPE = Recipe(epochs=2, batch_size=10, schedule="one-cycle")


class Answers(nn.Module):
    """The network, with other logits for the first class."""

    def __init__(self, net: BlockNet, first: float) -> None:
        super().__init__()
        self.net = net
        self.first = first

    def forward(self, images: Tensor) -> Tensor:
        logits = self.net(images).clone()
        logits[:, 0] = self.first
        return logits


@spec
class Deploys(CE):
    """Labels alone; the network that answers has other logits for the first class."""

    first: float

    def deployed(self, extras: nn.Module, net: BlockNet) -> nn.Module:
        return Answers(net, self.first)


@spec
class Spoils(CE):
    """Labels alone; puts a number into a buffer of the network in its second epoch."""

    number: float

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        terms = super().terms(extras, context)
        if context.clock.total == 1:
            assert context.net is not None
            context.net.get_buffer("kept")[0] = self.number
        return terms


class Heard(Ear):
    """Which learners learned, and which failed, epoch by epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.told.append((learner.label, "learned"))

    def failed(self, learner: Learner) -> None:
        self.told.append((learner.label, "failed"))


def made(method: Method, label: str = "one") -> Learner:
    return learner(method, "resnet8", DATASET, RECIPE, label=label)


@pytest.mark.parametrize("first", [nan, inf])
def test_logits_that_are_not_finite_at_the_end(first: float) -> None:
    one, other, ear = made(Deploys(first=first)), made(CE(), "other"), Heard()
    run((one,), (other,), dataset=DATASET, ear=ear)
    remedy = f"try a learning_rate below {RECIPE.learning_rate:g} in its recipe"
    assert one.failure == f"epoch 2: its logits were not finite for {len(DATASET.test)} test images; {remedy}"
    assert other.failure is None
    assert ear.told == [("one", "learned"), ("other", "learned"), ("one", "failed"), ("other", "learned")]


def test_a_class_that_is_masked_is_an_answer() -> None:
    one = made(Deploys(first=-inf))
    rows: list[dict[str, Any]] = []
    run((one,), dataset=DATASET, ear=Ear(lambda _, row: rows.append(row)))
    assert one.failure is None and "test_unanswered" not in rows[-1]
    second = 100 * (DATASET.test.labels == 1).double().mean().item()
    assert rows[-1]["test_top1"] == pytest.approx(second)


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_buffers_that_are_not_finite(number: float) -> None:
    """A mask of -inf is meant."""
    one = made(Spoils(number=number))
    one.net.register_buffer("kept", torch.zeros(2))
    one.net.register_buffer("ids", torch.tensor([2**40]))
    run((one,), dataset=DATASET)
    assert (one.failure or "").startswith("" if number == -inf else "epoch 2: the buffer 'kept' was not finite at the end; ")
    assert (one.failure is None) == (number == -inf)


def test_a_group_stops_with_the_one_that_has_no_answer() -> None:
    one, other, ear = made(Deploys(first=nan)), made(CE(), "other"), Heard()
    run((one, other), dataset=DATASET, ear=ear)
    assert other.failure is not None and other.failure.startswith("its peer one stopped in epoch 2: its logits")
    assert ear.told[2:] == [("one", "failed"), ("other", "failed")]
