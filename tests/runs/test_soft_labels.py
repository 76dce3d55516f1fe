"""Recipes that mix images or smooth labels, and methods that cannot follow them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor, nn

from didact.engine.recipe import Recipe
from didact.method import Method, SoftLabels, StepContext
from didact.runs.dry_run import check
from didact.runs.run import Run
from didact.spec import SpecError, choose, spec
from support.tiny import DATA, make
from support.together import RECIPE, pair


@spec
class Old(Method):
    """Cross entropy that knows of one class for each image."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        return {"ce": nn.functional.cross_entropy(context.own.logits, context.batch.labels)}


@spec
class New(Old):
    """Cross entropy with whatever targets there are."""

    def soft_labels(self) -> SoftLabels:
        return "mixed"

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        assert context.own.logits is not None
        assert context.batch.targets.shape == context.own.logits.shape
        return {"ce": nn.functional.cross_entropy(context.own.logits, context.batch.targets)}


MIXING = Recipe(epochs=1, batch_size=16, mixup=0.2)
SMOOTHING = Recipe(epochs=1, batch_size=16, label_smoothing=0.1)


@pytest.mark.parametrize(
    "method", ["dkd", "crd", "sskd", {"name": "sckd", "inner": "dkd"}, {"name": "simkd", "gated": True}]
)
def test_a_method_that_reads_classes_is_not_shown_mixtures(method: Any) -> None:
    name = method if isinstance(method, str) else method["name"]
    with pytest.raises(
        SpecError, match=rf"the method '{name}' reads the class of each image, and with recipe.mixup=0.2 images"
    ):
        make(method, recipe=MIXING)


@pytest.mark.parametrize(
    ("method", "recipe", "words"),
    [
        (Old(), MIXING, "in a method of your own read batch.targets and let soft_labels answer 'mixed'"),
        (
            Old(),
            SMOOTHING,
            "recipe.label_smoothing does not change; write recipe.label_smoothing=0, or use a method such as kd",
        ),
        ("sskd", SMOOTHING, "the method 'sskd' reads the class of each image"),
        (
            {"name": "ce", "label_smoothing": 0.1},
            SMOOTHING,
            "labels are smoothed by recipe.label_smoothing and by the method",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(method: Any, recipe: Recipe, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(method, recipe=recipe)
    assert words in str(caught.value)


def test_peers_share_what_is_mixed() -> None:
    run = pair(choose(Method, "dml"), recipe=RECIPE)
    with pytest.raises(
        SpecError, match=r"networks that learn together share recipe.cutmix; found resnet8 1.0, resnet14 0.0"
    ):
        replace(run, recipe=replace(RECIPE, cutmix=1.0))


def test_a_method_of_ones_own_is_rehearsed_with_mixtures() -> None:
    assert check(Run(net="resnet8", data=DATA, recipe=MIXING, method=New())) == []


@spec
class Unaware(New):
    """Says that it follows mixtures, and does not."""

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        return Old.terms(self, extras, context)


def test_a_method_of_ones_own_that_does_not_follow_is_found_out() -> None:
    run = Run(net="resnet8", data=DATA, recipe=MIXING, method=Unaware())
    with pytest.raises(SpecError, match=r"mixed images \(batch.labels holds no class; read batch.targets\): IndexError"):
        check(run)
    assert check(replace(run, recipe=replace(MIXING, mixup=0.0))) == []


def test_methods_that_follow_take_both() -> None:
    both = Recipe(epochs=1, batch_size=16, mixup=0.2, cutmix=1.0, label_smoothing=0.1)
    for method in ("ce", "kd", "ab", "fitnet+kd", {"name": "sftn", "student": "resnet8"}, {"name": "gtn", "pool": "tiny"}):
        assert make(method, recipe=both).recipe.mixing.mixes
