"""Recipes: what they refuse, their rates over time, and that new settings leave old digests alone."""

from __future__ import annotations

import math
from typing import Any

import pytest

from didact.engine.recipe import Recipe
from didact.engine.recipes import RECIPES, settings
from didact.spec import SpecError, digest, from_json


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"optimiser": "adamw", "momentum": 0.5}, "momentum: adamw has betas in its place; leave it out (found 0.5)"),
        ({"optimiser": "adamw", "nesterov": True}, "nesterov: is a form of SGD's momentum"),
        ({"betas": [0.9, 0.99]}, "betas: sgd has none; write optimiser=adamw"),
        ({"optimiser": "adamw", "betas": [0.9, 1.0]}, "betas.1: expected less than 1 (found 1.0)"),
        ({"optimiser": "adam"}, "optimiser: expected 'sgd' or 'adamw' (found 'adam')"),
        ({"clip": 0.0}, "clip: expected 1e-12 or more (found 0.0)"),
        ({"clip": float("nan")}, "clip: expected a finite number"),
        ({"accumulate": 0}, "accumulate: expected 1 or more (found 0)"),
        ({"accumulate": 2.0}, "accumulate: expected a whole number (found 2.0)"),
        ({"ema": 1.0}, "ema: expected less than 1 (found 1.0)"),
        ({"ema": 0.0}, "ema: expected more than 0 (found 0.0)"),
        ({"schedule": "cosine", "epochs": 5, "warmup_epochs": 5}, "warmup_epochs: 5 of 5 epochs leave none"),
        ({"schedule": "cosine", "epochs": 1, "warmup_epochs": 1}, "leave it out"),
        ({"schedule": "one-cycle", "warmup_epochs": 1}, "warmup_epochs: one-cycle rises for a share of the training"),
        ({"schedule": "cosin"}, "schedule: expected 'steps', 'one-cycle', 'cosine' or 'constant' (found 'cosin')"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_json(Recipe, given, "recipe")
    assert f"recipe.{words}" in str(caught.value) or words in str(caught.value)


def test_a_recipe_of_before_has_the_digest_of_before() -> None:
    """Settings that came later are left out at their defaults."""
    assert digest(Recipe()) == "9a8dbfe45e7734d1"
    assert digest(RECIPES["short"].recipe) == "fbdb6709f60f4905"
    assert set(Recipe.later) <= {*Recipe.__dataclass_fields__}  # type: ignore[attr-defined]
    changed = Recipe(optimiser="adamw", ema=0.9)
    assert from_json(Recipe, {"optimiser": "adamw", "ema": 0.9}) == changed
    assert digest(changed) != digest(Recipe())


def test_cosine_rises_by_steps_and_falls_to_zero() -> None:
    recipe = Recipe(epochs=10, learning_rate=2.0, schedule="cosine", warmup_epochs=2)
    rates = [recipe.lr(int(10 * p), 10, p) for p in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert rates == pytest.approx([0.02, 0.02 + 0.5 * 1.98, 2.0, 1.0, 0.0])
    assert recipe.lr(3, 10, 0.3) == pytest.approx(1 + math.cos(math.pi / 8))
    assert recipe.lr(0, 5, 0.2) == pytest.approx(2.0)  # a shorter stage warms up for the same share


def test_other_schedules_warm_up_too() -> None:
    steps = Recipe(epochs=8, learning_rate=1.0, warmup_epochs=4, milestones=(0.25, 0.75))
    assert [steps.lr(e, 8, e / 8) for e in (0, 2, 4, 6)] == pytest.approx([0.01, 0.505 * 0.1, 0.1, 0.01])
    constant = Recipe(epochs=4, learning_rate=1.0, warmup_epochs=1, schedule="constant")
    assert [constant.lr(0, 4, 0.125), constant.lr(3, 4, 0.9)] == pytest.approx([0.505, 1.0])


def test_imagenets_rate_falls_at_30_60_and_90() -> None:
    recipe = RECIPES["imagenet"].recipe
    rates = [recipe.lr(epoch, 100, epoch / 100) for epoch in (0, 29, 30, 59, 60, 89, 90, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4])


def test_only_the_recipes_for_small_images_are_gentle() -> None:
    """The papers' lower rate for MobileNet is one of CIFAR-100."""
    rates = [settings(name, "mobilenet_v2")["learning_rate"] for name in ("paper", "short", "imagenet", "modern")]
    assert rates == pytest.approx([0.01, 0.02, 0.1, 2.5e-4])


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_is_its_own_settings(name: str) -> None:
    assert from_json(Recipe, settings(name, "resnet8")) == RECIPES[name].recipe
