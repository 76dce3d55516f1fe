"""The line before a training that every trial of its length advises against."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from didact.advice.records import with_own
from didact.advice.trials import Trial
from didact.advice.warning import warning
from didact.request.plan import plan
from didact.runs.run import Run


def runs(method: Any, epochs: int) -> list[Run]:
    return plan({"net": "resnet8", "epochs": epochs, "teacher": {"net": "resnet14", "method": method}})


def trial(epochs: int, gain: float, kind: str = "sftn") -> Trial:
    return Trial(kind, f"{kind} {epochs}", epochs, epochs, "resnet14", "resnet8", gain, "made up")


KNOWN = [trial(15, -9.5), trial(20, -6.0), trial(60, 0.5), trial(15, -1.0, "gtn")]


@pytest.mark.parametrize("epochs", [1, 5, 10, 20, 29])
def test_a_length_at_which_all_trials_were_worse_is_told(epochs: int) -> None:
    line = warning(runs("standard,sftn", epochs), lambda: KNOWN)
    assert line is not None and "a teacher by SFTN were worse" in line and "didact advise" in line


@pytest.mark.parametrize(
    ("epochs", "begins"),
    [
        (1, "No trial is as short as 1 epoch; in the one trial of 15 epochs, the nearest, students"),
        (3, "No trial is as short as 3 epochs; in the one trial of 15 epochs, the nearest, students"),
        (9, "In the one trial of 15 epochs so far, students"),
        (20, "In all 2 trials of 15 to 20 epochs so far, students"),
    ],
)
def test_the_line_says_which_trials_it_is_about(epochs: int, begins: str) -> None:
    """Trials of half to twice the epochs are near; of a shorter request, those of the shortest."""
    line = warning(runs("sftn", epochs), lambda: KNOWN)
    assert line is not None and line.startswith(begins)
    assert ("by 6.0 to 9.5 points" if epochs == 20 else "by 9.5 points") in line


def test_a_lighter_kl_is_named_where_it_was_tried() -> None:
    """For SFTN, at lengths at which both weights were tried."""
    long = [trial(60, -1.0), trial(60, -1.0, "gtn")]
    line = warning(runs("sftn", 60), lambda: long)
    assert line is not None and "kl_weight 1" in line and "of 45 to 60 epochs" in line
    for line in (
        warning(runs("sftn", 15), lambda: KNOWN),
        warning(runs({"name": "gtn", "pool": "resnet8"}, 60), lambda: long),
    ):
        assert line is not None and "kl_weight" not in line


@pytest.mark.parametrize(
    ("method", "epochs"),
    [("standard", 20), ("sftn", 60), ("sftn", 500), ({"name": "sftn", "kl_weight": 1.0}, 20)],
    ids=["a standard teacher", "some trials were better", "no trial is near", "other settings"],
)
def test_other_requests_are_not_commented(method: Any, epochs: int) -> None:
    assert warning(runs(method, epochs), lambda: KNOWN) is None


def test_a_fine_tuned_teacher_is_in_no_trial() -> None:
    teacher = {"net": "resnet14", "method": "sftn", "start": "standard"}
    assert warning(plan({"net": "resnet8", "epochs": 20, "teacher": teacher}), lambda: KNOWN) is None


def test_kinds_of_teachers_have_their_own_trials() -> None:
    line = warning(runs({"name": "gtn", "pool": "resnet8"}, 15), lambda: KNOWN)
    assert line is not None and "GTN" in line and "the one trial of 15 epochs so far" in line and "by 1.0 points" in line


def test_a_request_without_a_teacher_is_not_commented() -> None:
    """Nor are the trials read."""
    assert warning(plan({"net": "resnet8", "method": "ce", "epochs": 10}), lambda: pytest.fail("read")) is None


def test_trials_of_the_store_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in which such a teacher was the better one takes the line back; a folder that is no store has none."""
    asked = runs("sftn", 15)
    assert warning(asked, partial(with_own, tmp_path)) is not None
    (tmp_path / "runs").mkdir()
    assert warning(asked, partial(with_own, tmp_path)) is not None
    monkeypatch.setattr("didact.advice.records.trials", lambda finished: [trial(15, 2.0)])
    assert warning(asked, partial(with_own, tmp_path)) is None
