"""Figures over seeds, by hand: means, spreads and paired differences, where some are not defined."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import pytest

from didact.runs.run import Run
from didact.runs.spread import Sample, difference, text


def test_a_cell_is_mean_and_sample_standard_deviation() -> None:
    cell = Sample((70.0, 72.0, 74.0))
    assert (cell.mean, cell.std, cell.n) == (72.0, 2.0, 3)
    assert cell.text() == "72.00 ± 2.00"
    assert Sample((71.234,)).std is None
    assert Sample((71.234,)).text() == "71.23"


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_not_defined_is_left_out(value: float) -> None:
    cell = Sample((70.0, value, 74.0), (0, 1, 2))
    assert (cell.mean, cell.n, cell.text()) == (72.0, 2, "72.00 ± 2.83")
    assert cell.plain() == {"values": (70.0, None, 74.0), "n": 2, "mean": 72.0, "std": pytest.approx(8**0.5)}
    assert Sample((value, 3.0)).text() == "3.00"
    none = Sample((value, nan))
    assert (none.mean, none.std, none.n, none.text(3)) == (None, None, 0, "-")
    assert text(value) == text(None) == "-"


def test_differences_are_paired_by_seed() -> None:
    """Means differ by 3; over seeds 1 and 2, which both have, the differences are 1 and 2."""
    sample, base = Sample((11.0, 22.0, 90.0), (1, 2, 5)), Sample((20.0, 10.0, 0.0, nan), (2, 1, 7, 5))
    gain = sample.minus(base)
    assert dict(zip(gain.seeds, gain.values, strict=True)) == {(1,): 1.0, (2,): 2.0}
    assert gain.text(sign=True) == "+1.50 ± 0.71"
    plain = difference(gain)
    assert (plain["n"], plain["seeds"]) == (2, [[1], [2]])
    assert plain["ci95"] == pytest.approx((1.5 - 12.7062 / 2, 1.5 + 12.7062 / 2), abs=1e-4)  # Student's t for one degree
    alone = Sample((5.0,), (9,))
    assert alone.minus(base).mean is None and alone.interval is None


def test_students_of_several_teachers(tiny: Callable[..., Run]) -> None:
    """A seed of theirs is one with each teacher; those without a teacher are set against all of their seed."""
    teachers = [tiny(seed=100 + at) for at in range(2)]
    taught = [
        (tiny("kd", teacher=teacher, seed=seed), 10.0 * teacher.seed + seed) for teacher in teachers for seed in (0, 1)
    ]
    other = [(tiny("at", teacher=teacher, seed=seed), 0.0) for teacher in teachers[:1] for seed in (0, 1)]
    cell, first, alone = Sample.of(taught), Sample.of(other), Sample.of([(tiny(seed=1), 1.0)])
    assert cell is not None and first is not None and alone is not None
    assert cell.seeds == ((0, 100), (1, 100), (0, 101), (1, 101)) and first.seeds == (0, 1)
    assert sorted(cell.minus(alone).values) == [1000.0, 1010.0]
    assert alone.minus(cell).mean == -1005.0
    assert Sample.of([]) is None


@pytest.mark.parametrize("value", [-0.0, -1e-15, -0.0049])
def test_what_rounds_to_zero_has_no_minus(value: float) -> None:
    assert (text(value), text(value, sign=True)) == ("0.00", "+0.00")
    assert text(value - 0.01) == "-0.01"


def test_a_tie_of_means_is_a_tie() -> None:
    tie = Sample((0.1 + 0.2, 0.3), (0, 1)).minus(Sample((0.3, 0.1 + 0.2), (0, 1)))
    assert tie.text(sign=True) == "+0.00 ± 0.00"


def test_long_figures_have_powers_of_ten() -> None:
    """A KL of hundreds of millions would widen every column."""
    cell = Sample((123_456_789.0, 423_456_789.0))
    assert cell.text(3) == "2.73e+08 ± 2.12e+08"
    assert (text(-1.5e7, sign=True), text(1.5e7, sign=True)) == ("-1.50e+07", "+1.50e+07")
    assert text(999_999.25) == "999999.25"


def test_equal_differences_have_no_interval_for_their_last_digits() -> None:
    """One image more of 360 each time: 100 * 187 / 360 - 100 * 186 / 360 and the others differ by 4e-15."""
    gain, other = (Sample(tuple(100 * (k + more) / 360 for k in (186, 149, 60)), (0, 1, 2)) for more in (1, 0))
    gain = gain.minus(other)
    assert len(set(gain.values)) > 1 and gain.text(sign=True) == "+0.28 ± 0.00"
    assert gain.interval is None and gain.half_width(30) is None


def test_a_cell_that_is_not_finished_is_paired_with_its_own_teacher(tiny: Callable[..., Run]) -> None:
    """Students of two teachers each; of the first cell those of the second teacher are missing."""
    teachers = [tiny(seed=100 + at) for at in range(2)]
    mine, its = (
        [tiny(method, teacher=teacher, seed=seed) for teacher in teachers for seed in (0, 1)] for method in ("kd", "at")
    )
    half = Sample.of([(run, 50.0 + run.seed) for run in mine[:2]], mine)
    whole = Sample.of([(run, float(at)) for at, run in enumerate(its)], its)
    assert half is not None and whole is not None
    gain = half.minus(whole)
    assert (gain.values, gain.seeds) == ((50.0, 50.0), ((0, 100), (1, 100)))


def test_what_an_interval_is_around_is_said_to_programs() -> None:
    """Teachers' means 1.5 and 6."""
    plain = difference(Sample((1.0, 2.0, 6.0), ((0, 0), (1, 0), (0, 1))))
    assert (plain["n"], plain["mean"], plain["teachers"], plain["mean_of_teachers"]) == (3, 3.0, 2, 3.75)
    assert "teachers" not in difference(Sample((1.0, 2.0), ((0, 0), (1, 0))))
