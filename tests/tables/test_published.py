"""Published figures: read from cells, compared with ours."""

from __future__ import annotations

import json

import pytest

from didact.runs.spread import Sample
from didact.spec import strict_json
from didact.tables.published import Entry, Figure, Published, comparison, intervals
from didact.tables.table import Table, text

SHEET = Table(("", "a", "b"), (("alone", "70.00", ""), ("kd", "72.5 ± 0.18", "73.00 (+3.00)")))


@pytest.mark.parametrize(
    ("cell", "which", "figure"),
    [
        ("75.52 ± 0.18", 0, Figure(75.52, 0.18)),
        ("76.05 (81.19)", 0, Figure(76.05)),
        ("76.05 (81.19)", 1, Figure(81.19)),
        ("75.46 (+2.05)", 1, Figure(2.05)),
        ("", 0, None),
        ("N/A", 0, None),
        ("70.00", 1, None),
    ],
)
def test_cells_of_papers(cell: str, which: int, figure: Figure | None) -> None:
    assert Figure.read(cell, which) == figure


def test_other_names() -> None:
    read = Published.read(SHEET, "a paper", "as it says")
    assert read.figures == {("alone", "a"): Figure(70.0), ("kd", "a"): Figure(72.5, 0.18), ("kd", "b"): Figure(73.0)}
    named = read.named({"ours": "kd", "more": "nothing"}, {"x": "b", "y": "a"})
    assert named.figures == {("ours", "x"): Figure(73.0), ("ours", "y"): Figure(72.5, 0.18)}


def _table(*, same: bool, gains: tuple[float, ...]) -> Table:
    base = Sample(tuple(60.0 + i for i in range(len(gains))), tuple(range(len(gains))))
    own = Sample(tuple(60.0 + i + gain for i, gain in enumerate(gains)), base.seeds)
    published = Published("a paper", "as it says.", Published.read(SHEET, "", "").figures, same=same)
    entries = [Entry(("alone", "a"), base), Entry(("kd", "a"), own, ("alone", "a"), base), Entry(("other", "a"), own)]
    table = comparison("title", entries, published, 0.5)
    assert table is not None
    return table


def test_amounts_where_the_setting_is_the_papers() -> None:
    """Published: +2.50, within 0.5; ours 2.5 ± 4.303 * 0.1 / sqrt(3) = 2.25 to 2.75."""
    table = _table(same=True, gains=(2.4, 2.5, 2.6))
    alone, kd, other = (tuple(map(text, row)) for row in table.rows)
    assert kd[2:] == ("63.50 ± 1.10", "3", "+2.50 ± 0.10", "+2.25 to +2.75", "72.50 ± 0.18", "+2.50", "agrees")
    assert alone[6:] == ("70.00", "", "disagrees")  # the figure itself: 61 ± 2.48
    assert other[4:] == ("", "", "", "", "")
    assert "Published: a paper: as it says." in table.note and "the published difference" in table.note
    plain = json.loads(strict_json(table.figures))["kd"]["a"]
    assert (plain["verdict"], plain["published"], plain["published_difference"]) == ("agrees", 72.5, 2.5)
    assert plain["difference"]["ci95"] == pytest.approx([2.2516, 2.7484], abs=1e-4) and plain["to"] == ["alone", "a"]


def test_only_directions_elsewhere() -> None:
    alone, kd, _ = (tuple(map(text, row)) for row in _table(same=False, gains=(9.0, 10.0, 11.0)).rows)
    assert kd[-1] == "agrees"  # +10 has the sign of +2.5
    assert alone[-1] == ""  # nothing is compared
    assert text(_table(same=False, gains=(-9.0, -10.0, -11.0)).rows[1][-1]) == "disagrees"
    told = _table(same=False, gains=(-1.0, 4.0)).rows[1][-1]
    assert str(told).startswith("cannot tell (")
    assert comparison("title", [], Published("", ""), 0.5) is None


def test_intervals_where_nothing_is_published() -> None:
    """2 ± 4.303 * 1 / sqrt(3)."""
    base, own = Sample((60.0, 61.0, 62.0), (0, 1, 2)), Sample((61.0, 63.0, 65.0), (0, 1, 2))
    entries = [Entry(("alone", "a"), base), Entry(("kd", "a"), own, ("alone", "a"), base)]
    table = comparison("title", entries, None, 0.5)
    assert table is not None and table.columns == ("row", "column", "ours", "n", "difference", "95 % interval")
    assert [text(cell) for cell in table.rows[1]][2:] == ["63.00 ± 2.00", "3", "+2.00 ± 1.00", "-0.48 to +4.48"]
    assert table.title == "title, differences with intervals" and "last epoch" in table.note and "Verdict" not in table.note
    assert table.figures is not None and "verdict" not in table.figures["kd"]["a"]
    assert comparison("title", entries[:1], None, 0.5) is None  # no difference
    single = Sample((1.0,), (0,))
    assert comparison("title", [Entry(("kd", "a"), single, ("alone", "a"), single)], None, 0.5) is None  # no interval


def test_students_without_a_teacher_add_no_noise_to_an_interval_over_teachers() -> None:
    """Teachers' means of the differences: 10.5 - 5 and 10.5 - 7, so 4.5 ± 12.706, however far 10 and 11 are apart."""
    taught = Sample((5.0, 5.0, 7.0, 7.0), ((0, 0), (1, 0), (0, 1), (1, 1)))
    place, base = ("alone", "a"), ("kd", "a")
    for apart in (1.0, 9.0):
        alone = Sample((10.5 - apart / 2, 10.5 + apart / 2), (0, 1))
        table = intervals("t", [Entry(place, alone, base, taught)])
        assert table is not None and table.rows[0][-1] == "-8.21 to +17.21"
        assert table.note.endswith(
            "Students that stand under every teacher, such as those without one, add none of their own noise."
        )
    table = intervals("t", [Entry(place, Sample((1.0, 3.0, 5.0, 6.0), taught.seeds), base, taught)])
    assert table is not None and table.note.endswith("each the mean over its students' seeds.")
