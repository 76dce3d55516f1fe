"""What a training computes, counted by hand."""

from __future__ import annotations

from didact.data import Data, facts
from didact.engine.recipe import Recipe
from didact.method import Method
from didact.methods.kd import KD
from didact.nets import create
from didact.nets.blocks import macs
from didact.runs.run import Run
from didact.runs.work import forward, work
from didact.spec import choose

DATA = Data(name="digits", per_class=4)
RECIPE = Recipe(epochs=8, batch_size=20)
TEACHER = Run(net="resnet14", data=DATA, recipe=RECIPE)


def test_a_training_is_three_passes_an_image_and_one_of_its_teacher() -> None:
    small, large = (macs(create(net, 10, 1), facts(DATA).image) for net in ("resnet8", "resnet14"))
    assert forward(TEACHER) == large
    alone = work(Run(net="resnet8", data=DATA, recipe=RECIPE))
    assert (alone.own, alone.teacher) == (8 * 40 * 3 * small, 0)
    taught = work(Run(net="resnet8", data=DATA, recipe=RECIPE, method=KD(), teacher=TEACHER))
    assert (taught.own, taught.teacher) == (8 * 40 * 3 * small, 8 * 40 * large)


def test_stages_and_views_count() -> None:
    method = choose(Method, "sskd")
    small, large = (macs(create(net, 10, 1), facts(DATA).image) for net in ("resnet8", "resnet14"))
    rotated = work(Run(net="resnet8", data=DATA, recipe=RECIPE, method=method, teacher=TEACHER))
    assert rotated.own == 8 * 40 * 4 * 3 * small  # the first stage, 2 epochs, does not run the student
    assert rotated.teacher == (8 + 2) * 40 * 4 * large
