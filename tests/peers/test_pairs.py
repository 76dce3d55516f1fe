"""Peers of every pair of the papers' tables: a step of each target, and of DML, for which shapes do not matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from didact.data import Data, Loader, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Manner, train
from didact.method import Method, Pair
from didact.nets import create
from didact.seeds import seeded
from didact.spec import catalogue, choose

PAIRS = [
    ("wrn_40_2", "wrn_16_2"),
    ("wrn_16_2", "shufflenet_v1"),
    pytest.param("resnet56", "resnet20", marks=pytest.mark.slow),
    pytest.param("resnet32x4", "resnet8x4", marks=pytest.mark.slow),
    pytest.param("vgg13", "mobilenet_v2", marks=pytest.mark.slow),
    pytest.param("resnet50", "vgg8", marks=pytest.mark.slow),
    pytest.param("resnet32x4", "shufflenet_v1", marks=pytest.mark.slow),
    pytest.param("wrn_40_2", "shufflenet_v2", marks=pytest.mark.slow),
]
"""Every family of the tables with its own and with others; by default those with the fewest operations."""

METHODS = ["dml", "kdcl", {"name": "kdcl", "target": "linear"}, {"name": "kdcl", "target": "general"}]


def test_the_walk_found_the_peers() -> None:
    assert {"dml", "kdcl"} <= set(catalogue("didact.peers"))
    assert all(choose(Method, name).needs.peers for name in catalogue("didact.peers"))


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda net: net)
def test_peers_serve_the_pair(first: str, second: str) -> None:
    dataset = load(Data(per_class=2, augment="none", validation=0.5))
    dataset = replace(dataset, test=dataset.test.take(torch.arange(4)))
    groups, seeds = [], {}
    nets = [create(net, 10, 1) for net in (first, second)]
    shapes = [net.shapes(dataset.image) for net in nets]
    for number, chosen in enumerate(METHODS):
        method = choose(Method, chosen)
        group: list[Learner] = []
        for own, name in enumerate((first, second)):
            with seeded(0, name):
                net = create(name, 10, 1)
            about: Any = (dataset.image, 10, dataset.train.labels, 5)
            extras = method.build(Pair(net, shapes[own], *about, peers=(shapes[1 - own],)))
            recipe = Recipe(epochs=1, batch_size=5, learning_rate=1e-4)
            label = f"{number}.{name}"
            seeds[label] = len(seeds)
            group.append(Learner(label=label, net=net, method=method, extras=extras, recipe=recipe, seed=0))
        groups.append(tuple(group))
    loader = Loader(dataset, batch_size=5, data_seed=0, renderings=seeds)
    train(Cohort(tuple(groups), loader), dataset, [], Manner(test_every=99))
    assert {one.label: one.failure for group in groups for one in group if not one.done} == {}
    for group in groups:
        assert all(not torch.equal(p, q) for one in group for p, q in [_classifiers(one)])


def _classifiers(one: Learner) -> tuple[torch.Tensor, torch.Tensor]:
    """The classifier as it began and as it is."""
    with seeded(0, one.label.partition(".")[2]):
        fresh = create(one.label.partition(".")[2], 10, 1)
    key = next(k for k in fresh.state_dict() if k.endswith("classifier.weight"))
    return fresh.state_dict()[key], one.net.state_dict()[key]
