"""While a request trains, nobody removes the runs that it needs, finished ones included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from didact.execution import Execution, Outcome, execute
from didact.execution.progress import Learned
from didact.runs.run import Run
from didact.store.store import Store
from didact.store.upkeep.removal import Removed, members, remove
from support.tiny import make
from support.training import hears

pytestmark = pytest.mark.usefixtures("few_digits")


def test_a_teacher_stays_while_its_student_is_trained(store: Store) -> None:
    student = make("kd")
    assert student.teacher is not None
    teacher, tried = student.teacher.digest, list[Removed]()

    def after(event: Learned) -> None:
        if event.run == student.digest:
            tried.append(remove(store, [one for one in members(store) if one.digest == teacher]))

    execute([student], store, Execution(), hears(after))
    assert len(tried) == 2 and all("needed by a training that is running" in one.kept[0] for one in tried)
    assert not list(store.root.glob("locks/request-*"))
    assert len(remove(store, [one for one in members(store) if one.digest == teacher]).gone) == 1


def test_what_is_removed_before_the_claim_is_trained_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look into the store and the claim another process removes the teacher."""
    from didact.execution import dispatch

    student = make("kd")
    assert student.teacher is not None
    execute([student.teacher], store, Execution())
    own: Callable[..., tuple[dict, dict]] = dispatch._looked
    looks = []

    def looked(needed: Sequence[Run], *arguments: object, **more: object) -> tuple[dict, dict]:
        found = own(needed, *arguments, **more)
        if not looks:
            remove(store, members(store))
        looks.append(len(found[0]))
        return found

    monkeypatch.setattr(dispatch, "_looked", looked)
    outcome: Outcome = execute([student], store, Execution())
    assert looks == [1, 0] and len(outcome.records) == 2 and not outcome.failures


def test_nothing_is_claimed_where_nothing_is_trained(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from didact.execution import dispatch

    execute([make()], store, Execution())
    monkeypatch.setattr(dispatch, "claimed", None)
    assert len(execute([make()], store, Execution()).records) == 1
