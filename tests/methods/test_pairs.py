"""Every method serves every pair of the papers' tables: two steps of each stage, all methods as one cohort a pair."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from didact.data import Data, Loader, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Fixed, train
from didact.method import Pair
from didact.nets import create
from didact.seeds import seeded
from didact.spec import from_json
from didact.studies.check import check
from didact.studies.run import Run
from walk import TAUGHT, made

PAIRS = [
    ("wrn_40_2", "wrn_16_2"),  # RepDistiller's 13
    ("wrn_40_2", "wrn_40_1"),
    ("resnet56", "resnet20"),
    ("resnet110", "resnet20"),
    ("resnet110", "resnet32"),
    ("resnet32x4", "resnet8x4"),
    ("vgg13", "vgg8"),
    ("vgg13", "mobilenet_v2"),
    ("resnet50", "mobilenet_v2"),
    ("resnet50", "vgg8"),
    ("resnet32x4", "shufflenet_v1"),
    ("resnet32x4", "shufflenet_v2"),
    ("wrn_40_2", "shufflenet_v1"),
    ("resnet32x4", "resnet8x2"),  # and those that only the SFTN paper has
    ("wrn_40_2", "shufflenet_v2"),
    ("resnet32x4", "mobilenet_v2_x2"),  # the SimKD study's
]


HUGE = {("semckd", "resnet50")}
"""Served, but by projections of 850 million parameters: built without memory only (test_huge_extras_can_be_built)."""


@pytest.mark.parametrize(("teacher", "student"), PAIRS, ids=lambda net: net)
def test_every_method_serves_the_pair(teacher: str, student: str) -> None:
    assert len(TAUGHT) >= 4
    dataset = load(Data(per_class=1, augment="none"))
    dataset = replace(dataset, test=dataset.test.take(torch.arange(4)))
    with seeded(0, "teacher"):
        frozen = create(teacher, 10, 1)
    # statistics of the images, as a trained network has them: with fresh ones resnet110's features reach 1e5
    torch.optim.swa_utils.update_bn([batch.images for batch in Loader(dataset, batch_size=10, data_seed=0).epoch(0)], frozen)
    frozen.eval().requires_grad_(False)
    before = {k: v.clone() for k, v in frozen.state_dict().items()}
    with seeded(0, "net"):
        net = create(student, 10, 1)
    about = (net.shapes(dataset.image), dataset.image, 10, dataset.train.labels, 5, frozen, frozen.shapes(dataset.image))
    learners = []
    for name in TAUGHT:
        if (name, teacher) in HUGE:
            continue
        method = made(name)
        own = deepcopy(net)
        extras = method.build(Pair(own, *about))
        recipe = Recipe(epochs=1, batch_size=5, learning_rate=1e-4)
        learners.append(Learner(label=name, net=own, method=method, extras=extras, recipe=recipe, seed=0))
    views = frozenset[str]().union(*(one.views for one in learners))
    loader = Loader(dataset, batch_size=5, data_seed=0, views=views)
    assert len(loader) == 2
    train(Cohort(tuple((one,) for one in learners), loader, Fixed(frozen)), dataset, [], test_every=99)
    assert {one.label: one.failure for one in learners if not one.done} == {}
    assert all(torch.equal(v, before[k]) for k, v in frozen.state_dict().items())


@pytest.mark.parametrize(("name", "teacher"), sorted(HUGE))
@pytest.mark.parametrize("student", ["mobilenet_v2", "vgg8"])
def test_huge_extras_can_be_built(name: str, teacher: str, student: str) -> None:
    data = {"name": "cifar100"}
    check(from_json(Run, {"net": student, "data": data, "method": name, "teacher": {"net": teacher, "data": data}}))
