"""What is said of a lighter KL."""

from __future__ import annotations

import pytest

from didact.advice.lighter import SETTING, TRIED, Lighter, sentence


def test_it_says_how_both_weights_compare_at_such_a_length() -> None:
    said = sentence(60, TRIED[:3])
    assert said is not None and SETTING in said
    assert said.endswith(
        "was better than the published weight of 3 in all 3 trials of 45 to 60 epochs, by 0.1 to 1.7 points."
    )
    assert sentence(10, TRIED[:3]) is None, "no trial is nearly as short"


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ((1.0,), "better than the published weight of 3 in the one trial of 60 epochs, by 1.0 points"),
        ((-0.5, -1.0), "worse than the published weight of 3 in all 2 trials of 60 epochs, by 0.5 to 1.0 points"),
        ((-0.5, 1.0), None),
    ],
)
def test_trials_that_differ_in_sign_say_nothing(gains: tuple[float, ...], words: str | None) -> None:
    said = sentence(100, [Lighter("digits", 60, 0.0, gain, "a page") for gain in gains])
    assert said is None if words is None else said is not None and words in said
