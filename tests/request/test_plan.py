"""Settings into runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from didact.catalogue.settings import request_settings
from didact.engine.precision import best_precision
from didact.engine.recipe import Recipe
from didact.request.plan import plan
from didact.runs.run import everything
from didact.spec import SpecError, full_name
from didact.teaching.sftn import SFTN


def test_a_grid_over_networks_teachers_methods_and_seeds() -> None:
    teacher = {"net": "resnet32x4", "method": "standard,sftn"}
    runs = plan(
        {"net": "resnet8x4,shufflenet_v1", "data": "cifar100", "teacher": teacher, "method": "ce,kd,at+kd", "seeds": 3}
    )
    # two students; alone once, two methods from two teachers; three seeds
    assert len(runs) == 2 * (1 + 2 * 2) * 3
    teachers = {r.teacher.digest: r.teacher for r in runs if r.teacher}
    assert len(teachers) == 3  # the standard one is shared, each student has an SFTN teacher of its own
    students = {t.method.student for t in teachers.values() if isinstance(t.method, SFTN)}
    assert students == {"resnet8x4", "shufflenet_v1"}
    assert len(everything(runs)) == len(runs) + 3


def test_teachers_of_several_seeds() -> None:
    """Each of two kinds has two, each of these students of three seeds; a fine-tuned one begins with the standard one of its
    own seed.
    """
    teacher = {"net": "resnet20", "method": "standard,sftn", "seeds": 2}
    runs = plan({"net": "resnet8", "teacher": teacher, "seeds": 3})
    seeds = [(r.teacher.method.name(), r.teacher.seed, r.seed) for r in runs if r.teacher]
    assert seeds == [(way, one, seed) for way in ("ce", "sftn") for one in (0, 1) for seed in (0, 1, 2)]
    for run in plan({"net": "resnet8", "teacher": {**teacher, "method": "sftn", "start": "standard"}}):
        assert run.teacher and run.teacher.start and run.teacher.start.run
        assert run.teacher.start.run.seed == run.teacher.seed


def test_assistants_and_their_teachers_of_several_seeds() -> None:
    master = {"net": "resnet32", "seeds": 2}
    runs = plan({"net": "resnet8", "teacher": {"net": "resnet20", "method": "kd", "seeds": 3, "teacher": master}})
    found = {(r.teacher.seed, r.teacher.teacher.seed) for r in runs if r.teacher and r.teacher.teacher}
    assert found == {(one, other) for one in range(3) for other in range(2)}


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ({"seeds": 2, "seed": 1}, r"^teacher\.seeds: write teacher\.seeds=3 \(how many\) or teacher\.seed=3"),
        ({"seeds": 0}, r"^teacher\.seeds: expected 1 or more"),
        (
            {"method": "kd", "teacher": {"net": "resnet32", "seeds": 2, "seed": 0}},
            r"^teacher\.teacher\.seeds: write teacher\.teacher\.seeds=3",
        ),
    ],
)
def test_how_many_teachers_or_which_one(teacher: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        plan({"net": "resnet8", "teacher": {"net": "resnet20", **teacher}})


def test_the_papers_rates_and_the_precision_are_in_the_run() -> None:
    """What depends on the network or the machine is a number in the run, so the digest says what was computed."""
    fast, slow = (plan({"net": n, "recipe": "paper"})[0].recipe for n in ("resnet8x4", "MobileNetV2"))
    assert (fast.learning_rate, slow.learning_rate) == (0.05, 0.01)
    assert fast.precision == best_precision("cpu")
    assert plan({"net": "resnet8", "recipe": {"precision": "fp32"}})[0].recipe.precision == "fp32"
    assert plan({"net": "mobilenet_v2", "recipe": {"learning_rate": 0.3}})[0].recipe.learning_rate == 0.3


@pytest.mark.parametrize("value", ["fp16", 16, ["fp32"], {}])
def test_a_precision_that_there_is_not_names_all_that_there_are(value: object) -> None:
    said = f"recipe.precision: expected 'fp32', 'tf32', 'bf16' or 'auto' (found {value!r})"
    for request, at in (
        ({"precision": value}, ""),
        ({"recipe": {"precision": value}}, ""),
        ({"teacher": {"net": "resnet8", "recipe": {"precision": value}}}, "teacher."),
    ):
        with pytest.raises(SpecError, match=f"^{re.escape(at + said)}$"):
            plan({"net": "resnet8", **request})
    (kind,) = (kind for path, kind, _, _ in request_settings() if path == "recipe.precision")
    assert kind == "fp32 | tf32 | bf16 | auto"


def test_the_paper_recipe_is_the_papers() -> None:
    recipe = plan({"net": "resnet8", "recipe": "paper"})[0].recipe
    assert (recipe.epochs, recipe.batch_size, recipe.momentum, recipe.weight_decay) == (240, 64, 0.9, 5e-4)
    rates = [recipe.lr(epoch, 240, epoch / 240) for epoch in (0, 149, 150, 180, 210, 239)]
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.0005, 0.00005, 0.00005])


def test_one_cycle_rises_and_falls_to_zero() -> None:
    recipe = Recipe(schedule="one-cycle", learning_rate=1.0, warmup=0.25)
    rates = [recipe.lr(0, 1, p) for p in (0.0, 0.125, 0.25, 0.625, 0.9999)]
    assert rates == pytest.approx([0.04, 0.52, 1.0, 0.5, 0.0], abs=1e-6)
    assert Recipe(schedule="constant", learning_rate=0.1).lr(7, 9, 0.8) == 0.1


def test_the_teacher_takes_the_students_data_and_recipe_unless_given_its_own() -> None:
    tree = {"net": "resnet8", "data": {"name": "digits", "fraction": 0.5}, "recipe": {"epochs": 7}, "method": "kd"}
    teacher = plan({**tree, "teacher": "resnet20"})[0].teacher
    assert teacher is not None
    assert (teacher.recipe.epochs, teacher.data.fraction) == (7, 0.5)
    own = plan({**tree, "teacher": {"net": "resnet20", "recipe": {"epochs": 30}, "seed": 5}})[0].teacher
    assert own is not None
    assert (own.recipe.epochs, own.recipe.batch_size, own.seed) == (30, 128, 5)


def test_fine_tuning_and_branches() -> None:
    teacher = {"net": "resnet20", "method": "sftn", "start": "standard"}
    run = plan({"net": "resnet8", "teacher": teacher, "start": "branches", "method": "kd"})[0]
    assert run.teacher is not None
    assert run.teacher.start is not None
    assert run.teacher.start.run.method.name() == "ce"
    assert run.start is not None
    assert (run.start.run, run.start.part) == (run.teacher, "branches.0.net")


def test_presets_are_named_in_labels() -> None:
    labels = [full_name(r.method) for r in plan({"net": "resnet8", "teacher": "resnet8", "method": "fitnet,fitnet+kd"})]
    assert labels == ["fitnet", "fitnet+kd"]


@pytest.mark.parametrize("wrong", [{"net": "resnet8", "seeds": 2, "seed": 1}, {"net": ""}, {"net": "resnet8", "start": "x"}])
def test_contradictions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        plan(wrong)
