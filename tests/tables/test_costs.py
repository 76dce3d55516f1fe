"""What teachers for several students cost, by hand."""

from __future__ import annotations

from math import nan

import pytest

from didact.tables.costs import Cost, break_even, several_students
from didact.tables.table import text


def costs(*seconds: float) -> list[Cost]:
    return [Cost(one, one) for one in seconds]


def test_totals_beyond_what_was_trained_are_estimated() -> None:
    special = costs(10.0, 12.0, 14.0)
    assert [Cost.total(special, k).seconds for k in (1, 2, 3, 7)] == [10, 22, 36, 84]
    rows = [tuple(map(text, row)) for row in several_students(special, Cost(15.0, 16.0))]
    assert rows[1] == ("2", "22.0", "15.0", "22.0", "16.0")
    assert rows[3] == ("4 (the mean of 3, times 4)", "48.0", "15.0", "48.0", "16.0")


@pytest.mark.parametrize(("generic", "students"), [(15.0, 2), (9.0, 1), (50.0, 5), (nan, None)])
def test_from_how_many_students_on_one_teacher_costs_less(generic: float, students: int | None) -> None:
    assert break_even(costs(10.0, 12.0, 14.0), Cost(generic, generic)) == students


def test_seconds_that_are_not_known_break_nothing() -> None:
    assert break_even([Cost(1.0, nan)], Cost(9.0, 9.0)) is None and break_even(costs(0.0), Cost(9.0, 9.0)) is None
