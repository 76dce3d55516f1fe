"""The line through the trials: against NumPy, by hand, and on trials whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from didact.advice.law import LEAST, Line, Score, errors, held_out, law, piloted, regimes, score, scores
from didact.advice.trials import Trial, trials


def trial(epochs: int, gain: float, regime: str | None = None) -> Trial:
    return Trial("sftn", regime or f"made up, {epochs} epochs", epochs, 10 * epochs, "resnet20", "resnet8", gain, "made up")


def test_a_line_is_ordinary_least_squares() -> None:
    x, y = np.array([0.1, 0.05, 0.02, 0.01, 0.004]), np.array([-10.0, -5.5, -1.0, 0.6, 1.2])
    line = Line.through(list(zip(x.tolist(), y.tolist(), strict=True)))
    design = np.column_stack([np.ones(5), x])
    (limit, slope), residual, *_ = np.linalg.lstsq(design, y, rcond=None)
    assert (line.limit, line.slope) == pytest.approx((limit, slope))
    assert line.error == pytest.approx(math.sqrt(residual[0] / 3))
    at = np.array([1, 0.03])
    half = 3.182446 * line.error * math.sqrt(at @ np.linalg.inv(design.T @ design) @ at)  # t of 97.5 % with 3 degrees
    found = line.at(0.03)
    assert found.mean == pytest.approx(limit + slope * 0.03)
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), rel=1e-6)


@pytest.mark.parametrize("points", [[], [(1.0, 2.0), (2.0, 3.0)], [(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]])
def test_a_line_needs_three_points_at_different_places(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="three points or more at different x"):
        Line.through(points)


def test_trials_of_one_regime_count_as_one() -> None:
    known = [trial(20, -6, "a"), trial(20, -8, "a"), trial(40, -3), trial(60, -1), trial(240, 1)]
    assert [(regime.epochs, regime.gain) for regime in regimes(known)] == [(20, -7), (40, -3), (60, -1), (240, 1)]
    line = law(known)
    assert line is not None and line.n == 4
    assert law([*known, trial(20, -7, "a")]) == line


def test_too_few_regimes_make_no_line() -> None:
    assert law([trial(20, -6), trial(40, -3), trial(60, -1)]) is None
    assert law([trial(20, -6, str(at)) for at in range(LEAST)]) is None, "one length has no slope"


def test_a_true_line_is_found_and_judged_right() -> None:
    noise = [0.1, -0.1, 0.08, -0.12, 0.1, -0.06]
    known = [trial(e, 2 - 160 / e + d) for e, d in zip((10, 20, 40, 120, 240, 480), noise, strict=True)]
    line = law(known)
    assert line is not None and line.limit == pytest.approx(2, abs=0.2) and line.slope == pytest.approx(-160, rel=0.02)
    assert line.at(1 / 20).verdict == "standard"
    assert line.at(1 / 80).verdict == "cannot tell"
    assert line.at(1 / 480).verdict == "friendly"
    assert scores(known)["line"].wrong == 0
    assert scores(known)["always standard"].right == scores(known)["always friendly"].wrong == 3
    found = errors(known)
    assert found["1 / epochs"] == min(found.values())


def test_a_pilot_is_one_more_trial_of_the_line() -> None:
    gains = {("a", 10): -8.0, ("a", 20): -3.0, ("a", 50): -0.5, ("b", 15): -6.0, ("b", 100): 1.5, ("c", 240): 1.0}
    known = [trial(epochs, gain, f"{data}, {epochs} epochs") for (data, epochs), gain in gains.items()]
    pairs = piloted(known)
    expected = [("a", 20), ("a", 50), ("b", 100), ("a", 50)]
    assert [(informed.regime.data, informed.regime.epochs) for _, informed in pairs] == expected
    without, informed = pairs[2]
    rest = [one for one in known if one.regime != "b, 100 epochs"]
    line = law(rest)
    assert line is not None and informed.expected == line.at(1 / 100)
    assert without.expected != informed.expected
    assert piloted(known[:3]) == [], "too few lengths for a line"


def test_the_trials_so_far_follow_epochs_and_not_steps() -> None:
    """What docs/advice.md says of them; new trials may move it, and then the page."""
    sftn = [one for one in trials() if one.kind == "sftn"]
    found = errors(sftn)
    assert found["1 / epochs"] < 0.6 * min(found["1 / steps"], found["log steps"])
    assert scores(sftn) == {"line": Score(9, 1, 4), "always standard": Score(9, 5, 0), "always friendly": Score(5, 9, 0)}
    assert all(one.expected.low < one.expected.high for one in held_out(sftn))
    pairs = piloted(sftn)
    assert score(without for without, _ in pairs) == Score(2, 0, 5)
    assert score(informed for _, informed in pairs) == Score(2, 0, 5)
