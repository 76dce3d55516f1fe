"""Trials of one's own: pairs of students that differ in how their teacher was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pytest

from didact.advice import records
from didact.request.plan import plan
from didact.runs.run import Run
from didact.store.record import Record


@dataclass
class Finished:
    """A Record of which only the accuracy is asked for."""

    accuracy: float

    def final(self) -> dict[str, float]:
        return {"test_top1": self.accuracy}


def runs(teacher_method: Any, **settings: Any) -> list[Run]:
    teacher = {"net": "resnet14", "method": teacher_method, **settings.pop("teacher", {})}
    return plan({"net": "resnet8", "epochs": 30, "seeds": 3, "teacher": teacher, **settings})


def finished(accuracies: Mapping[str, float], *groups: list[Run]) -> list[tuple[Run, Record]]:
    found = []
    for group, accuracy in zip(groups, accuracies.values(), strict=True):
        found += [(run, cast("Record", Finished(accuracy + run.seed))) for run in group]
    return found


def test_a_trial_is_the_mean_difference_of_students_that_are_alike() -> None:
    pairs = finished({"standard": 60, "sftn": 58.5}, runs("standard"), runs("sftn"))
    (trial,) = records.trials(pairs)
    assert (trial.kind, trial.gain, trial.epochs) == ("sftn", -1.5, 30)
    assert (trial.teacher, trial.student) == ("resnet14", "resnet8")
    assert trial.steps == records.steps(pairs[0][0])


def test_generic_teachers_are_trials_of_their_own_kind() -> None:
    generic = runs({"name": "gtn", "pool": "resnet8"})
    found = records.trials(finished({"s": 60, "g": 61, "f": 62}, runs("standard"), generic, runs("sftn")))
    assert {trial.kind: trial.gain for trial in found} == {"gtn": 1, "sftn": 2}


@pytest.mark.parametrize(
    "other",
    [
        runs({"name": "sftn", "kl_weight": 1.0}),
        runs("sftn", data={"name": "digits", "per_class": 20}),
        runs("sftn", epochs=20),
        runs("sftn", teacher={"recipe": {"epochs": 60}}),
        runs("sftn", teacher={"seed": 1}),
        runs("sftn", method="fitnet"),
    ],
    ids=["another weight", "other data", "another length", "a longer teacher", "another teacher's seed", "another method"],
)
def test_students_that_differ_in_more_are_no_trial(other: list[Run]) -> None:
    assert records.trials(finished({"standard": 60, "sftn": 58}, runs("standard"), other)) == []


def test_two_seeds_are_no_trial() -> None:
    assert records.trials(finished({"standard": 60, "sftn": 58}, runs("standard", seeds=2), runs("sftn", seeds=2))) == []


def test_students_alone_are_no_trial() -> None:
    alone = plan({"net": "resnet8", "method": "ce", "epochs": 30})
    assert records.trials(finished({"alone": 50}, alone)) == []
