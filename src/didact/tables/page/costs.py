"""What it takes to prepare teachers for several students: one specialised teacher for each, or one
generic teacher for all."""

from __future__ import annotations

from collections.abc import Sequence

from didact.method import ForStudent
from didact.runs.labels import recipe_label, teacher_label
from didact.runs.spread import defined
from didact.spec import digest, plural, to_json
from didact.tables.costs import Cost, break_even, several_students
from didact.tables.page.parts import Part, Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture
from didact.tables.page.trained import Trained, net_title, number
from didact.tables.table import Table


def section(trained: Sequence[Trained]) -> Section:
    """For each network, data set and recipe with both kinds of teachers: their cost by number of
    students."""
    groups: dict[str, list[Trained]] = {}
    for one in trained:
        run = one.run
        if one.record is not None and run.method.teaches and all(number(row, "seconds") is not None for row in one.rows):
            groups.setdefault(digest([run.net, to_json(run.data), to_json(run.recipe), run.seed]), []).append(one)
    parts: list[Part] = []
    for members in groups.values():
        special = [one for one in members if isinstance(one.run.method, ForStudent)]
        for generic in [one for one in members if not isinstance(one.run.method, ForStudent)]:
            if special:
                parts += _parts(special, generic, len(parts))
    text = "Training time of the teachers, without that of the students."
    return Section("costs", "Cost by number of students", tuple(parts), text)


def _parts(special: Sequence[Trained], generic: Trained, at: int) -> list[Part]:
    assert generic.record is not None
    costs = [Cost.of(one.record) for one in special if one.record is not None]
    one = Cost.of(generic.record)
    run = generic.run
    title = f"{net_title(run)} on {run.data.label} ({recipe_label(run)})"
    named = [("specialised teachers", k, Cost.total(costs, k)) for k in range(1, len(costs) + 1)]
    named += [(f"{teacher_label(run)} for all", k, one) for k in range(1, len(costs) + 1)]
    processor = all(defined(cost.cpu_seconds) for _, _, cost in named)
    dots = tuple(Dot(f"{group}, {k}", group, k, cost.cpu_seconds if processor else cost.seconds) for group, k, cost in named)
    x, y = Axis("students", whole=True), Axis("processor seconds" if processor else "seconds")
    panel = Dots("cost by number of students", x, y, dots, frozenset(dot.group for dot in dots))
    columns = ("students", "specialised (s)", "generic (s)", "specialised, processor (s)", "generic, processor (s)")
    even = break_even(costs, one)
    note = "" if even is None else f"From {plural(even, 'student')} on, the generic teacher takes no more processor time."
    table = Table(columns, tuple(several_students(costs, one)), f"{title}: cost of the teachers", note)
    return [Picture(key_of("costs", str(at + 1)), title, (panel,)), table]
