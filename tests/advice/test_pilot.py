"""A pilot: what it trains, and how it corrects the expectation."""

from __future__ import annotations

from typing import Any

import pytest

from didact.advice.options import options
from didact.advice.pilot import pilot
from didact.spec import SpecError

TREE: dict[str, Any] = {"net": "resnet8,resnet14", "teacher": {"net": "resnet14"}, "epochs": 50, "method": "fitnet"}


def test_a_pilot_is_the_request_in_short() -> None:
    found = pilot(TREE, options(TREE, "cpu", [])[1], 0.2, "cpu")
    assert found.epochs == 10
    assert {run.epochs for run in found.runs} == {run.teacher.epochs for run in found.runs if run.teacher} == {10}
    assert {run.net for run in found.runs} == {"resnet8"} and {run.seed for run in found.runs} == {0, 1, 2}
    assert [run.teacher.method.name() for run in found.runs if run.teacher] == ["ce"] * 3 + ["sftn"] * 3


@pytest.mark.parametrize(
    ("recipe", "teachers"),
    [("paper", None), ({"name": "paper", "weight_decay": 0.002}, {"weight_decay": 0.003}), (None, "paper")],
    ids=str,
)
def test_recipes_are_kept_but_for_their_length(recipe: Any, teachers: Any) -> None:
    """Of a request of 240 epochs, as a name or in settings."""
    tree = {"net": "resnet8", "teacher": {"net": "resnet14", "recipe": teachers}, "epochs": 240, "recipe": recipe}
    option = options(tree, "cpu", [])[1]
    for run in pilot(tree, option, 0.1, "cpu").runs:
        whole = option.students[0]
        assert run.teacher is not None and whole.teacher is not None
        assert run.epochs == run.teacher.epochs == 24
        assert run.recipe.weight_decay == whole.recipe.weight_decay
        assert run.teacher.recipe.weight_decay == whole.teacher.recipe.weight_decay


def test_of_two_lengths_a_pilot_says_nothing() -> None:
    tree = {**TREE, "teacher": {"net": "resnet14", "recipe": {"epochs": 60}}}
    with pytest.raises(SpecError, match="pilot: it trains teachers and students for the same number of epochs"):
        pilot(tree, options(tree, "cpu", [])[1], 0.5, "cpu")


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0.0, "between 0 and 1"),
        (1.0, "between 0 and 1"),
        (-1.0, "between 0 and 1"),
        (0.05, "2, and fewer than 10 say nothing"),
    ],
)
def test_a_share_that_says_nothing_is_refused(share: float, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        pilot(TREE, options(TREE, "cpu", [])[1], share, "cpu")


def test_a_request_shorter_than_a_pilot_has_none() -> None:
    tree = {**TREE, "epochs": 4}
    with pytest.raises(SpecError, match="no shorter training says anything"):
        pilot(tree, options(tree, "cpu", [])[1], 0.5, "cpu")


def test_its_gain_is_paired_by_seed() -> None:
    class Finished:
        def __init__(self, accuracy: float) -> None:
            self.accuracy = accuracy

        def final(self) -> dict[str, float]:
            return {"test_top1": self.accuracy}

    found = pilot(TREE, options(TREE, "cpu", [])[1], 0.2, "cpu")
    accuracies = (50.0, 51.0, 52.0, 48.0, 50.0, 49.0)
    records: Any = {run.digest: Finished(accuracy) for run, accuracy in zip(found.runs, accuracies, strict=True)}
    assert found.gain(records).values == (-2.0, -1.0, -3.0)
    del records[found.runs[0].digest]
    assert found.gain(records).values == (-1.0, -3.0), "a failed run takes its pair away, not the others"
