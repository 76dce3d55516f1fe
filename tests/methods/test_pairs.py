"""Every method serves every pair of the papers' tables: two steps of each stage, all methods as one cohort a pair."""

from __future__ import annotations

import pytest
import torch

from didact.data import Data, Loader, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.step import advance
from didact.engine.tally import Tally
from didact.engine.teach import TeacherOutputs
from didact.nets import resnet
from didact.nets.blocks import BlockNet
from didact.runs.dry_run import check
from didact.runs.run import Run
from didact.seeds import seeded
from didact.spec import from_json
from support.training import Taught, learner, taught
from support.walk import TAUGHT, made

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
"""Served, but by projections of 850 million parameters, with which two steps take minutes and more than 10 GB: here without
memory, at an eighth of the width, and, marked slow, as they are."""


DATASET = load(Data(per_class=1, augment="none"))
RECIPE = Recipe(epochs=1, batch_size=5, learning_rate=1e-4, momentum=0, weight_decay=0, nesterov=False)
"""Two steps on ten images. Momentum and decay are the engine's, whatever the pair, and cost seconds where extras are large."""


BATCHES = list(Loader(DATASET, batch_size=5, data_seed=0, views=frozenset({"rotations"})).epoch(0))


def settled(teacher: Taught) -> Taught:
    """The teacher with statistics of the images, as a trained one has them: with fresh ones resnet110's features reach 1e5."""
    net, known = teacher
    torch.optim.swa_utils.update_bn([torch.cat([batch.images for batch in BATCHES])], net.train())
    return net.eval(), known


@torch.no_grad()
def answers(teacher: BlockNet) -> list[TeacherOutputs]:
    """What the teacher shows for every batch, to whatever method; a method is given the parts that it reads."""
    return [TeacherOutputs(teacher.outputs(b.images), {k: teacher.outputs(v) for k, v in b.views.items()}) for b in BATCHES]


def follow(one: Learner, told: list[TeacherOutputs]) -> None:
    """Two steps of every stage, as the engine makes them; then what is deployed answers."""
    while not one.done:
        one.train_mode()
        tally = Tally(one.device)
        for number, (batch, shown) in enumerate(zip(BATCHES, told, strict=True)):
            advance((one,), batch, shown, number, len(BATCHES), {one.label: tally})
        assert tally.fault() is None, (one.label, one.stage.name)
        one.end_epoch()
    assert all(p.isfinite().all() for p in (*one.net.parameters(), *one.extras.parameters())), one.label
    with torch.no_grad():
        assert one.deployed()(BATCHES[0].images).shape == (5, 10), one.label


LONG = [
    ("resnet50", "mobilenet_v2"),
    ("resnet50", "vgg8"),
    ("vgg13", "vgg8"),
    ("vgg13", "mobilenet_v2"),
    ("resnet32x4", "mobilenet_v2_x2"),
    ("resnet110", "resnet32"),
    ("resnet110", "resnet20"),
    ("wrn_40_2", "wrn_40_1"),
    ("wrn_40_2", "shufflenet_v1"),
    ("resnet32x4", "shufflenet_v2"),
    ("resnet32x4", "resnet8x2"),
    ("resnet32x4", "resnet8x4"),
    ("resnet32x4", "shufflenet_v1"),
    ("wrn_40_2", "shufflenet_v2"),
]
"""Pairs that take nine tenths of this file's time; each of their networks stands in another test of it or of the zoo, too.
Methods with smaller pairs, of two families, too, are in test_contract.py."""


@pytest.mark.parametrize(
    ("teacher", "student"),
    [pytest.param(*pair, marks=[pytest.mark.slow] if pair in LONG else []) for pair in PAIRS],
    ids=lambda net: net,
)
def test_every_method_serves_the_pair(teacher: str, student: str) -> None:
    assert len(TAUGHT) >= 4 and len(BATCHES) == 2
    shown = settled(taught(teacher, DATASET.image))
    before = {k: v.clone() for k, v in shown[0].state_dict().items()}
    told = answers(shown[0])
    for name in TAUGHT:
        if (name, teacher) not in HUGE:
            follow(learner(made(name), student, DATASET, RECIPE, teacher=shown, label=name), told)
    assert all(torch.equal(v, before[k]) for k, v in shown[0].state_dict().items())


huge = pytest.mark.parametrize(
    ("name", "teacher", "student"),
    [(*one, student) for one in sorted(HUGE) for teacher, student in PAIRS if teacher == one[1]],
)


@huge
def test_huge_extras_are_built_for_the_real_pair(name: str, teacher: str, student: str) -> None:
    data = {"name": "cifar100"}
    check(from_json(Run, {"net": student, "data": data, "method": name, "teacher": {"net": teacher, "data": data}}))


@pytest.mark.parametrize("student", ["mobilenet_v2", "vgg8"])
def test_semckd_serves_a_narrow_resnet50(student: str) -> None:
    with seeded(0, "teacher"):
        net = resnet._net(resnet.bottleneck, (8, 32, 64, 128, 256), [3, 4, 6, 3], 10, 1)
    shown = settled((net.requires_grad_(False), net.shapes(DATASET.image)))
    follow(learner(made("semckd"), student, DATASET, RECIPE, teacher=shown), answers(shown[0]))


@pytest.mark.slow
@huge
def test_huge_extras_take_two_steps(name: str, teacher: str, student: str) -> None:
    """Parameters and gradients are 3.4 GB each; the optimiser keeps nothing."""
    shown = settled(taught(teacher, DATASET.image))
    follow(learner(made(name), student, DATASET, RECIPE, teacher=shown), answers(shown[0]))
