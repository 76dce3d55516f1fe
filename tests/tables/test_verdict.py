"""Verdicts on published figures: by hand-worked intervals, and the number of further seeds."""

from __future__ import annotations

from math import inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from didact.runs.spread import Sample
from didact.tables.verdict import Region, Verdict, verdict

THREE = Sample((1.0, 2.0, 3.0), (0, 1, 2))
"""Mean 2, s 1; t(2) = 4.303, so the 95 % interval is 2 ± 2.484."""


@pytest.mark.parametrize(
    ("sample", "region", "expected"),
    [
        # -0.484 to 4.484; with 4 figures 2 ± 3.182 / 2 = 0.41 to 3.59
        (THREE, Region.direction(1.0, 0.5), Verdict("cannot tell", 1)),
        # 0.5 from the bounds: t(16) / sqrt(17) = 0.514 is too much, t(17) / sqrt(18) = 0.497 is not
        (THREE, Region.amount(2.0, 0.5), Verdict("cannot tell", 15)),
        (THREE, Region.amount(2.0, 2.5), Verdict("agrees")),
        (THREE, Region.amount(7.0, 2.5), Verdict("disagrees")),  # 4.5 is just beyond 4.484
        (THREE, Region.amount(7.0, 2.6), Verdict("cannot tell", 1)),  # 4.4; with 4 figures the interval ends at 3.59
        (THREE, Region.amount(1.0, 1.0), Verdict("cannot tell", None)),  # the mean is on the bound
        (Sample((1.0, 1.2), (0, 1)), Region.direction(-3.0, 0.5), Verdict("cannot tell", 1)),  # ± 1.27, 3 figures: ± 0.35
        (Sample((1.0, 1.1), (0, 1)), Region.direction(-3.0, 0.5), Verdict("disagrees")),  # 1.05 ± 0.635
        (Sample((1.0, 1.1), (0, 1)), Region.direction(0.2, 0.5), Verdict("cannot tell", 1)),  # below the margin: -0.5 to 0.5
        (Sample((0.0, 0.0), (0, 1)), Region.direction(3.0, 0.5), Verdict("cannot tell", None)),  # the spread is not known
        (Sample((0.0, 0.0), (0, 1)), Region.direction(0.1, 0.5), Verdict("cannot tell", None)),
        (Sample((5.0, 5.0, 5.0), (0, 1, 2)), Region.direction(3.0, 0.5), Verdict("cannot tell", None)),
        (
            Sample((0.1 + 0.2, 0.3), (0, 1)),
            Region.direction(3.0, 0.5),
            Verdict("cannot tell", None),
        ),  # equal but for rounding
        (Sample((5.0,), (0,)), Region.direction(3.0, 0.5), Verdict("cannot tell", None)),
        (Sample((None, 5.0), (0, 1)), Region.direction(3.0, 0.5), Verdict("cannot tell", None)),
    ],
)
def test_by_hand(sample: Sample, region: Region, expected: Verdict) -> None:
    assert verdict(sample, region) == expected


def test_further_seeds_would_tell() -> None:
    for further in (14, 15):
        n = 3 + further
        more = Sample(tuple(2 + sqrt((n - 1) / n) * (-1) ** i for i in range(n))) if n % 2 == 0 else None
        if more is not None:  # mean 2 and s 1 again
            assert verdict(more, Region.amount(2.0, 0.5)).word == "agrees"


def test_students_of_one_teacher_are_one_figure() -> None:
    """Two teachers with two students each: means 1 and 3, so 2 ± 12.706 sqrt(2) / sqrt(2)."""
    sample = Sample((0.5, 1.5, 2.5, 3.5), ((0, 0), (1, 0), (0, 1), (1, 1)))
    assert sample.by_teacher == Sample((1.0, 3.0), ((0,), (1,)))
    assert sample.interval == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)
    assert (sample.n, sample.std) == (4, pytest.approx(1.29099, abs=1e-5))  # the ± is over all of them
    told = verdict(sample, Region.direction(1.0, 0.5))
    # s 1.414: with 4 teachers 3.182 * 0.707 = 2.25, with 5 2.776 * 0.632 = 1.76
    assert told == Verdict("cannot tell", 3, teachers=True)
    assert told.text() == "cannot tell (3 further teacher seeds would)"
    one = Sample((1.0, 2.0), ((0, 7), (1, 7)))
    assert one.by_teacher is one and one.interval == Sample((1.0, 2.0), (0, 1)).interval


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=6),
    st.floats(-3, 3),
    st.floats(0.1, 2),
    st.booleans(),
)
def test_never_both(values: list[float], published: float, margin: float, amount: bool) -> None:
    region = Region.amount(published, margin) if amount else Region.direction(published, margin)
    sample = Sample(tuple(values), tuple(range(len(values))))
    interval, told = sample.interval, verdict(sample, region)
    if interval is None:  # how equal figures vary is not known
        assert max(values) - min(values) < 1e-8
        assert told == Verdict("cannot tell", None)
        return
    assert not (region.holds(*interval) and region.misses(*interval))
    assert (told.further is None) or (told.word == "cannot tell" and told.further >= 1)


def test_directions() -> None:
    assert Region.direction(0.5, 0.5) == Region(0.0, inf, closed=False)
    assert Region.direction(-0.5, 0.5) == Region(-inf, 0.0, closed=False)
    assert Region.direction(0.49, 0.5) == Region(-0.5, 0.5)
