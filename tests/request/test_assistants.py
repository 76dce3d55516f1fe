"""Teacher assistants (TAKD): a teacher that learns from a teacher is a Run whose teacher is a Run whose teacher is a Run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from didact.execution import Execution, execute
from didact.execution.progress import Event, JobBegins
from didact.request.plan import plan
from didact.runs.dry_run import check
from didact.runs.labels import teacher_label, teacher_summary
from didact.runs.run import Run, depth, everything
from didact.spec import SpecError, from_json, to_json
from didact.store.store import Store
from didact.tables.comparison import comparisons
from didact.teaching.sftn import SFTN
from support.tiny import RECIPE

pytestmark = pytest.mark.usefixtures("few_digits")


CHAIN = {"net": "resnet14", "method": "kd", "teacher": {"net": "resnet20"}}


def planned(teacher: Any, **more: Any) -> list[Run]:
    return plan({"net": "resnet8", "data": {"per_class": 2}, "epochs": 1, "teacher": teacher, **more})


def test_an_assistant_is_planned_with_its_teacher() -> None:
    (run,) = planned(CHAIN)
    assistant = run.teacher
    assert assistant is not None
    assert assistant.teacher is not None
    assert [r.label for r in everything([run])] == ["resnet20.ce.s0", "resnet14.kd.s0", "resnet8.kd.s0"]
    assert [depth(r) for r in everything([run])] == [0, 1, 2]
    assert assistant.teacher.data == assistant.data == run.data
    assert assistant.teacher.recipe == assistant.recipe == run.recipe
    assert from_json(Run, to_json(run)) == run


def test_settings_are_inherited_along_the_chain() -> None:
    teacher = {**CHAIN, "recipe": {"epochs": 3}, "data_seed": 4, "method": {"name": "kd", "temperature": 2}}
    assistant = planned(teacher)[0].teacher
    assert assistant is not None
    assert assistant.teacher is not None
    assert (assistant.recipe.epochs, assistant.data_seed) == (3, 4)
    assert (assistant.teacher.recipe.epochs, assistant.teacher.data_seed) == (3, 4)
    assert to_json(assistant.method)["temperature"] == 2


def test_chains_share_what_is_the_same() -> None:
    """Two methods from two assistants, three seeds: the large teacher is there once, each assistant once."""
    runs = planned({**CHAIN, "method": "standard,kd,at+kd"}, method="kd,sp+kd", seeds=3)
    assert len(runs) == 3 * 2 * 3
    teachers = {r.label for r in everything(runs) if r not in runs}
    assert teachers == {"resnet20.ce.s0", "resnet14.ce.s0", "resnet14.kd.s0", "resnet14.at+kd.s0"}
    assert len(everything(runs)) == len(runs) + 4
    direct = planned("resnet20")
    assert direct[0].teacher in everything(runs)


def test_a_chain_goes_to_any_depth_and_every_teacher_knows_its_student() -> None:
    top = {"net": "resnet32", "method": "sftn,standard"}
    runs = planned({"net": "resnet14", "method": "kd", "teacher": {"net": "resnet20", "method": "kd", "teacher": top}})
    assert [depth(run) for run in runs] == [3, 3]
    (student,) = [r.method.student for r in everything(runs) if isinstance(r.method, SFTN)]
    assert student == "resnet20"


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ({"net": "resnet14", "method": "kd"}, r"^teacher\.teacher\.net: teacher\.method=kd makes resnet14 an assistant"),
        (
            {"net": "resnet14", "teacher": "resnet20"},
            r"^teacher\.teacher: resnet14 is given a teacher, but .*=standard reads",
        ),
        (
            {**CHAIN, "method": "sftn"},
            r"^teacher\.teacher: resnet14 is given a teacher, but teacher\.method=sftn reads none",
        ),
        ({**CHAIN, "teacher": {"net": "resnt20"}}, r"^teacher\.teacher\.net: unknown network 'resnt20'; did you mean"),
        ({**CHAIN, "teacher": {}}, r"^teacher\.teacher\.net: say which network teaches"),
        ({**CHAIN, "teacher": {"nte": "resnet20"}}, r"^teacher\.teacher\.nte: no such setting; did you mean 'net'"),
        ({**CHAIN, "teacher": {"net": "resnet20", "method": "sftm"}}, r"^teacher\.teacher\.method: unknown method 'sftm'"),
        (
            {"net": "resnet14", "method": "dml"},
            r"^teacher\.method: 'dml' learns from peers, and a teacher has none; write teacher\.method=sftn",
        ),
        ({**CHAIN, "teacher": 7}, r"^teacher\.teacher: expected a network's name"),
        ({**CHAIN, "teacher": {"net": "resnet20", "seed": -1}}, r"^teacher\.teacher\.seed: "),
        ({**CHAIN, "method": {"name": "kd", "gama": 1}}, r"^teacher\.method\.gama: no such setting; did you mean 'gamma'"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_path(teacher: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        planned(teacher)


def test_an_assistant_that_hands_on_another_network_is_refused() -> None:
    (run,) = planned({**CHAIN, "method": "simkd"})
    with pytest.raises(
        SpecError, match=r"resnet14\.simkd\.s0 learns by 'simkd', which hands on another network than resnet14"
    ):
        check(run)


def test_an_assistant_can_be_fine_tuned() -> None:
    assistant = planned({**CHAIN, "start": "standard"})[0].teacher
    assert assistant is not None
    assert assistant.start is not None
    assert (assistant.start.run.net, assistant.start.run.method.name(), assistant.start.run.teacher) == (
        "resnet14",
        "ce",
        None,
    )


def test_labels_tell_assistants_apart(tiny: Callable[..., Run]) -> None:
    large = tiny("ce", net="resnet20")
    friendly = tiny({"name": "sftn", "student": "resnet14"}, net="resnet20")
    first = tiny("kd", net="resnet14", teacher=large)
    assert teacher_summary(first) == "kd from resnet20"
    assert teacher_summary(tiny("kd", net="resnet14", teacher=friendly, seed=2)) == "kd from resnet20 (sftn), seed 2"
    assert teacher_summary(tiny("at+kd", teacher=tiny("ce", net="resnet20", seed=3))) == "at+kd from resnet20 (seed 3)"
    assert (
        teacher_summary(tiny({"name": "kd", "temperature": 2.0}, teacher=first))
        == "kd (temperature=2.0) from resnet14 (kd from resnet20)"
    )
    assert teacher_label(first) == "resnet14 by kd from resnet20"
    assert teacher_label(large) == "standard resnet20"
    assert teacher_label(tiny("ce", net="resnet20", seed=3)) == "standard resnet20, seed 3"
    soft = tiny({"name": "ce", "label_smoothing": 0.1}, net="resnet20", seed=3)
    assert teacher_summary(soft) == "standard (label_smoothing=0.1), seed 3"
    assert teacher_summary(tiny("kd", teacher=soft)) == "kd from resnet20 (standard (label_smoothing=0.1), seed 3)"


def test_a_teacher_of_another_length_says_so_beside_its_student(tiny: Callable[..., Run]) -> None:
    def lasting(epochs: int) -> dict[str, Any]:
        return {"recipe": replace(RECIPE, epochs=epochs)}

    long, soon = tiny("ce", net="resnet20", seed=3, **lasting(5)), tiny("ce", net="resnet20", **lasting(1))
    student = tiny("kd", teacher=long, **lasting(2))
    assert teacher_label(long, student) == "standard resnet20, seed 3, 5 epochs"
    assert teacher_summary(soon, student) == "standard, 1 epoch"
    assert teacher_summary(soon) == teacher_summary(soon, tiny("kd", teacher=soon, **lasting(1))) == "standard"


def test_a_chain_is_trained_in_order_and_compared(store: Store) -> None:
    seen: list[list[str]] = []

    def show(event: Event) -> None:
        if isinstance(event, JobBegins):
            seen.append([run.label for run in event.runs])

    runs = planned({**CHAIN, "method": "standard,kd"}) + planned("resnet20")
    answer = execute(runs, store, Execution(test_every=9), show)
    assert not answer.failures
    order = [label for labels in seen for label in labels]
    assert sorted(seen[0]) == ["resnet14.ce.s0", "resnet20.ce.s0"]
    assert len(order) == len(set(everything(runs))) == 6
    assert order.index("resnet14.kd.s0") < len(order) - 1
    found = [(run, answer.records[run.digest]) for run in everything(runs)]
    (table,) = comparisons(found, {run.digest for run in runs})
    shown = table.table()
    assert list(shown.columns[1:4]) == ["standard resnet14", "standard resnet20", "resnet14 by kd from resnet20"]
    assert [row[0] for row in shown.rows] == ["the teacher", "kd"]
    # of everything in the store, the assistants are teachers and make no table of their own
    assert len(comparisons(found, {run.digest for run, _ in found})) == 1


def test_teachers_that_differ_in_their_recipes_only_are_told_apart(store: Store) -> None:
    def names(**recipe: Any) -> list[str]:
        runs = planned(CHAIN) + planned({**CHAIN, "teacher": {"net": "resnet20", "recipe": recipe}})
        answer = execute(runs, store, Execution(test_every=9))
        found = [(run, answer.records[run.digest]) for run in everything(runs)]
        (table,) = comparisons(found, {run.digest for run in runs})
        return [teacher.label for teacher in table.teachers.values()]

    assert names(epochs=2) == ["kd from resnet20", "kd from resnet20 (2 epochs)"]
    rates = names(learning_rate=0.07)
    assert len(set(rates)) == 2 and all(name.startswith("kd from resnet20 ") for name in rates)
