"""Steps of an optimiser: groups, accumulated and clipped gradients, state through a file, moving averages of weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from didact.data import Data, load
from didact.engine.average import Average
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.updates import Updates, optimiser
from didact.files.tensors import read_tensors, write_tensors
from didact.methods.ce import CE
from support.training import Ear, learner, run

DATASET = load(Data(per_class=4))
RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.01, schedule="cosine", warmup_epochs=1)
ADAMW = replace(RECIPE, optimiser="adamw", learning_rate=1e-3, decay_norms=False, clip=1.0, accumulate=2, ema=0.9)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3))


def moved(updates: Updates, rate: float) -> None:
    """A step at this rate."""
    updates.set_rate(rate)
    updates.move()
    updates.note()


def test_norms_and_biases_need_not_decay() -> None:
    net = small()
    parameters = list(net.parameters())
    whole = optimiser(Recipe(weight_decay=0.1), parameters)
    assert [(len(g["params"]), g["weight_decay"]) for g in whole.param_groups] == [(6, 0.1)]
    for kind in ("sgd", "adamw"):
        parted = optimiser(Recipe(weight_decay=0.1, decay_norms=False, optimiser=kind), parameters)
        assert [(len(g["params"]), g["weight_decay"]) for g in parted.param_groups] == [(2, 0.1), (4, 0.0)]
        assert all(p.dim() == 2 for p in parted.param_groups[0]["params"])


def test_adamw_moves_as_the_paper_says() -> None:
    """One step by hand: w <- w - lr (m / (sqrt(v) + eps) + decay w), with bias-corrected means of a single gradient."""
    weight = nn.Parameter(torch.tensor([[2.0, -1.0]]))
    updates = Updates(Recipe(optimiser="adamw", weight_decay=0.5), [weight])
    updates.add((weight * torch.tensor([3.0, -4.0])).sum(), 1)
    moved(updates, 0.1)
    assert weight.detach().flatten().tolist() == pytest.approx([2 - 0.1 * (1 + 1), -1 - 0.1 * (-1 - 0.5)], abs=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_accumulated_batches_are_one_large_batch(kind: Any) -> None:
    """Without batch norm; 20 images as 8 + 8 + 4, then clipped."""
    x, y = torch.randn(20, 6, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 3
    one = Recipe(optimiser=kind, weight_decay=0.1, clip=0.05)
    ends = []
    for recipe, size in ((one, 20), (replace(one, accumulate=3), 8)):
        net = small().double()
        updates = Updates(recipe, list(net.parameters()))
        for _ in range(3):
            for rows in torch.arange(20).split(size):
                updates.add(nn.functional.cross_entropy(net(x[rows].double()), y[rows]), len(rows))
            moved(updates, 0.1)
        ends.append(([p.detach() for p in net.parameters()], updates.figures()))
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(ends[0][0], ends[1][0], strict=True))
    assert ends[0][1] == pytest.approx(ends[1][1])


def test_clipped_gradients_have_the_norm_and_are_counted() -> None:
    weight = nn.Parameter(torch.zeros(2))
    updates = Updates(Recipe(clip=2.0, momentum=0.0, weight_decay=0.0), [weight])
    for gradient in ([3.0, 4.0], [0.6, 0.8]):
        updates.add((weight * torch.tensor(gradient)).sum(), 1)
        moved(updates, 1.0)
    assert weight.detach().tolist() == pytest.approx([-1.2 - 0.6, -1.6 - 0.8])
    assert updates.figures() == pytest.approx({"gradient_norm": 3.0, "clipped": 0.5})
    assert updates.figures() == {}  # an epoch's own


def test_an_average_of_weights_and_statistics() -> None:
    net = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    net.register_buffer("memory", torch.zeros(1))
    linear, norm = net[0], net[1]
    nn.init.constant_(linear.weight, 1.0)
    average = Average({"net": net}, 0.2)
    expected = 1.0
    for step in range(1, 5):
        nn.init.constant_(linear.weight, float(step))
        decay = min(0.2, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        average.follow()
    norm.running_mean.fill_(7.0)
    average.follow()
    assert average.means["net.0.weight"].item() == pytest.approx(0.2 * expected + 0.8 * 4)
    assert average.means["net.1.running_mean"].item() == pytest.approx(0.8 * 7)
    assert {"net.memory", "net.1.num_batches_tracked"}.isdisjoint(average.means)
    with average.in_place(), average.in_place():
        assert linear.weight.item() == pytest.approx(0.2 * expected + 0.8 * 4)
    assert linear.weight.item() == 4.0
    assert norm.running_mean.item() == 7.0


def trained(recipe: Recipe, ear: Ear | None = None, start: Path | None = None) -> Learner:
    one = learner(CE(), "resnet8", DATASET, recipe)
    if start is not None:
        one.restore(*read_tensors(start))
    run((one,), dataset=DATASET, ear=ear)
    return one


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(v, second[k]) for k, v in first.items())


@pytest.mark.parametrize("recipe", [RECIPE, ADAMW], ids=["sgd", "adamw"])
def test_resumed_it_ends_with_the_same_bits(recipe: Recipe, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []

    def keep(one: Learner, row: dict[str, Any]) -> None:
        rows.append(row)
        write_tensors(tmp_path / str(row["epoch"]), *one.state())

    whole = trained(recipe, Ear(keep))
    assert ("gradient_norm" in rows[0]) == (recipe.clip is not None)
    for epoch in (1, 3):
        again = trained(recipe, start=tmp_path / str(epoch))
        assert same(again.weights(), whole.weights())
        assert epoch == 3 or same(again.state()[0], whole.state()[0])


def test_what_is_tested_and_kept_is_the_average() -> None:
    found: list[dict[str, Any]] = []
    one = trained(ADAMW, Ear(lambda _, row: found.append(row)))
    plain = trained(replace(ADAMW, ema=None))
    kept = {k: v.clone() for k, v in one.weights().items()}
    live = {k: v for k, v in one.state()[0].items() if k.startswith(("net.", "extras."))}
    assert same(live, plain.weights())  # the average changes nothing of the training
    assert not same(live, kept)
    assert kept.keys() == live.keys()
    with one.averaged(), torch.no_grad():
        assert torch.equal(one.net.state_dict()["stem.0.weight"], kept["net.stem.0.weight"])
        net = one.deployed()
        images = (DATASET.test.images.float() / 255 - DATASET.mean[0]) / DATASET.std[0]
        right = (net(images).argmax(1) == DATASET.test.labels).double().mean()
    assert found[-1]["test_top1"] == pytest.approx(100 * float(right), abs=0.5)


def test_a_step_of_several_batches_has_the_rate_of_large_ones() -> None:
    """40 images: three batches of 16, 16 and 8 are two steps, the second at half of the epoch."""
    rates: list[float] = []
    one = learner(CE(), "resnet8", DATASET, replace(RECIPE, accumulate=2))
    move = one.updates.move
    one.updates.move = lambda: (rates.append(one.updates.rate), move())[1]  # type: ignore[method-assign]
    run((one,), dataset=DATASET)
    assert rates == pytest.approx([RECIPE.lr(0, 3, p / 6) for p in range(6)])
