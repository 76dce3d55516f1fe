"""The teachers that a request may have."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from didact.advice.options import Option, break_even, options, timed, turning_point
from didact.advice.trials import Trial, trials
from didact.spec import SpecError


def asked(**settings: Any) -> dict[str, Any]:
    return {"net": "resnet8,resnet14", "teacher": {"net": "resnet14"}, "epochs": 40, **settings}


def test_a_request_may_have_three_kinds_of_teacher() -> None:
    standard, sftn, gtn = options(asked(), "cpu", trials())
    assert [len(option.teachers) for option in (standard, sftn, gtn)] == [1, 2, 1]
    assert standard.gain is None and sftn.gain is not None and gtn.gain is not None
    assert sftn.verdict == "standard", "40 epochs are few"
    assert sftn.gain.mean == pytest.approx(sftn.gain.low / 2 + sftn.gain.high / 2)


def test_longer_trainings_gain_more() -> None:
    gains = [options(asked(epochs=epochs), "cpu", trials())[1].gain for epochs in (20, 60, 240)]
    means = [gain.mean for gain in gains if gain is not None]
    assert len(means) == 3 and means == sorted(means)
    assert means[0] < 0 < means[2]


def test_without_trials_nothing_is_expected() -> None:
    assert [option.verdict for option in options(asked(), "cpu", [])] == ["cannot tell"] * 3


def test_a_teacher_of_another_length_is_in_no_trial() -> None:
    request = asked(teacher={"net": "resnet14", "recipe": {"epochs": 60}})
    assert [option.gain for option in options(request, "cpu", trials())] == [None, None, None]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"net": "resnet8"}, "teacher.net: say which network is to teach"),
        (asked(teacher={"net": "resnet14", "method": "sftn"}), "advise compares standard, sftn and gtn itself"),
        (asked(teacher={"net": "resnet15"}), "resnet14"),
        (asked(epochs=0), "epochs"),
    ],
)
def test_wrong_requests_are_refused(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        options(request_, "cpu", trials())


def test_times_are_those_of_all_teachers() -> None:
    request = {"net": "resnet8", "teacher": {"net": "resnet8"}, "epochs": 2, "recipe": {"batch_size": 4}}
    said: list[str] = []
    found = [timed(option, "cpu", said.append) for option in options(request, "cpu", [])]
    assert len(said) == 3 + (len(found[1].teachers) - 1) and all(
        line.startswith("timing a few steps of the") for line in said
    )
    assert all(option.seconds > 0 for option in found)


def test_a_generic_teacher_pays_from_so_many_students_on() -> None:
    _, sftn, gtn = options(asked(), "cpu", [])
    assert break_even(sftn, gtn) is None, "nothing was measured"
    sftn = replace(sftn, seconds=20.0)  # two teachers: 10 s each
    assert break_even(sftn, replace(gtn, seconds=9.0)) == 1
    assert break_even(sftn, replace(gtn, seconds=10.0)) == 2
    assert break_even(sftn, replace(gtn, seconds=35.0)) == 4
    assert break_even(sftn, Option("gtn", (), math.nan, refused="no")) is None


def test_a_generic_teacher_of_several_seeds_is_still_one() -> None:
    """Three seeds of each: six SFTN teachers of 10 s, three GTN teachers of 15 s."""
    _, sftn, gtn = options(asked(teacher={"net": "resnet14", "seeds": 3}), "cpu", [])
    assert (len(sftn.teachers), len(gtn.teachers)) == (6, 3)
    assert break_even(replace(sftn, seconds=60.0), replace(gtn, seconds=45.0)) == 2


def test_the_sign_turns_somewhere() -> None:
    noise = [0.1, -0.1, 0.08, -0.12, 0.1, -0.06]
    known = [
        Trial("sftn", str(e), e, e, "resnet20", "resnet8", 2 - 160 / e + d, "made up")
        for e, d in zip((10, 20, 40, 120, 240, 480), noise, strict=True)
    ]
    worse, better = turning_point(known)
    assert worse is not None and better is not None and worse < 80 < better
    assert turning_point([]) == (None, None)
    falling = [replace(trial, gain=-trial.gain) for trial in known]
    assert turning_point(falling) == (None, None), "short trainings gain, long ones lose"


def test_a_request_outside_the_trials_gets_no_wilder_figure() -> None:
    gains = [options(asked(epochs=epochs), "cpu", trials())[1].gain for epochs in (1, 15)]
    assert gains[0] == gains[1], "the shortest trial has 15 epochs"
