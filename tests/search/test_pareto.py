"""The search for students: fronts against brute force, what is kept."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from didact.execution import Execution, execute
from didact.nets import create
from didact.nets.blocks import macs, parameters
from didact.nets.supernet import Pool
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront, front
from didact.search.predict import Predictor
from didact.search.search import search
from didact.spec import SpecError
from didact.store.store import Store
from didact.teaching.gtn import GTN
from support.searched import RECIPE, SPACE, TEACHER


def dominated(one: Member, students: Sequence[Member]) -> bool:
    return any(
        other.cost <= one.cost
        and other.accuracy >= one.accuracy
        and (other.cost < one.cost or other.accuracy > one.accuracy)
        for other in students
    )


def covered(members: Sequence[Member], low: float, high: float) -> float:
    """The area under a front's steps, by rising logarithm of the cost between ``low`` and ``high``."""
    edges = [math.log(one.cost / low) for one in members] + [math.log(high / low)]
    return sum(one.accuracy * (b - a) for one, a, b in zip(members, edges, edges[1:], strict=False))


# ------------------------------------------------------------------------------------------------ the front


def test_a_small_pool_is_searched_completely(whole: ParetoFront) -> None:
    students = [*whole.members, *whole.others]
    assert len(students) == len({one.name for one in students}) == whole.size == SPACE.size == 96
    assert not any(dominated(one, students) for one in whole.members)
    assert all(dominated(one, students) or _twin(one, whole.members) for one in whole.others)
    assert [one.cost for one in whole.members] == sorted(one.cost for one in whole.members)
    for one in students[::7]:
        net = create(one.name, 10, 1)
        assert (one.parameters, one.macs) == (parameters(net), macs(net, (1, 16, 16)))
        assert one.cost == one.parameters == one.bytes(8) == one.bytes(32) / 4 and one.latency is None


def _twin(one: Member, members: Sequence[Member]) -> bool:
    return any((one.cost, one.accuracy) == (other.cost, other.accuracy) for other in members)


def test_sampled_it_comes_close_to_the_whole_front(trained: Path, whole: ParetoFront) -> None:
    store = Store(trained)
    found = search(store, TEACHER, SearchSettings(trials=40))
    students = [*found.members, *found.others]
    assert len({one.name for one in students}) == len(students) == 40
    assert not any(dominated(one, students) for one in found.members)
    everyone = {one.name: one for one in (*whole.members, *whole.others)}
    assert all(everyone[one.name] == one for one in students)  # predicted the same, whichever search asks
    low, high = whole.members[0].cost, max(one.cost for one in everyone.values())
    assert found.members[0] == whole.members[0]  # the smallest is always tried
    assert covered(found.members, low, high) >= 0.97 * covered(whole.members, low, high)
    assert search(store, TEACHER, SearchSettings(trials=40, seed=1)).others != found.others


def test_it_is_the_same_every_time(fresh: Store, trained: Path) -> None:
    wanted = SearchSettings(trials=20, cost="macs", max_parameters=9000)
    found = search(fresh, TEACHER, wanted)
    assert found == search(Store(trained), TEACHER, wanted)
    assert (found.images, found.guess) == (160, 10.0) and not found.at_chance  # 40 % of 40 of each digit


def test_done_once_then_read(fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    first = search(fresh, TEACHER, SearchSettings(trials=5), tell=lambda done, most: told.append((done, most)))
    assert told == [(done, 5) for done in range(1, 6)]
    monkeypatch.setattr(Predictor, "student", None)  # nothing is predicted any more
    assert search(fresh, TEACHER, SearchSettings(trials=5)) == first
    # another limit is another search, but the students are known
    assert search(fresh, TEACHER, SearchSettings(trials=2, max_parameters=10**9)).members[0] == first.members[0]


def test_interrupted_it_keeps_what_was_predicted(fresh: Store, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(done: int, most: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = search(Store(trained), TEACHER, SearchSettings(trials=6))
    with pytest.raises(KeyboardInterrupt):
        search(fresh, TEACHER, SearchSettings(trials=6), tell=interrupt)
    predicted: list[str] = []
    student = Predictor.student
    monkeypatch.setattr(Predictor, "student", lambda self, name: (predicted.append(name), student(self, name))[1])
    assert search(fresh, TEACHER, SearchSettings(trials=6)) == whole
    assert len(predicted) == 2


def test_predictions_and_fronts_that_were_changed_are_not_read(fresh: Store) -> None:
    told: list[str] = []
    store = Store(fresh.root, told.append)
    asked = SearchSettings(trials=6, max_parameters=20_000)
    first = search(store, TEACHER, asked)
    record = store.get(TEACHER)
    assert record is not None and not told
    (predicted,), (searched,) = (list(record.folder.glob(f"{name}-*.json")) for name in ("predicted", "search"))
    assert json.loads(predicted.read_text())["answers"]
    for path in (predicted, searched):
        right = path.read_bytes()
        path.write_bytes(right.replace(b"1", b"7"))
        assert search(store, TEACHER, asked) == first
    assert [path in line for line, path in zip(told, (f"{searched} ", f"{predicted} "), strict=True)] == [True, True]
    searched.unlink()
    predicted.write_text("null")
    assert search(store, TEACHER, asked) == first
    assert len(told) == 3 and f"{predicted} " in told[2]


@given(some.lists(some.tuples(some.integers(1, 6), some.integers(0, 6)), min_size=1, max_size=12))
def test_a_front_is_what_nobody_dominates(figures: list[tuple[int, int]]) -> None:
    students = [Member(f"{i}", float(accuracy), float(cost), cost, cost) for i, (cost, accuracy) in enumerate(figures)]
    found = front(students)
    assert {(one.cost, one.accuracy) for one in students if not dominated(one, students)} == {
        (one.cost, one.accuracy) for one in found
    }
    assert len({(one.cost, one.accuracy) for one in found}) == len(found)


def test_small_medium_large() -> None:
    def made(*figures: tuple[float, float]) -> dict[str, str]:
        members = tuple(Member(f"{cost:g}", accuracy, cost, 1, 1) for cost, accuracy in figures)
        return ParetoFront("", SearchSettings(), members, (), 1, 100, 10.0).picks

    # between 10 and 1000 the middle of the logarithm is 100: above the line by 0.5 - 0.25, 0.7 - 0.5, 0.85 - 0.75
    steps = [(10.0, 0.0), (10**1.5, 50.0), (100.0, 70.0), (10**2.5, 85.0), (1000.0, 100.0)]
    assert made(*steps) == {"s_nas": "10", "m_nas": "31.6228", "l_nas": "1000"}
    assert made(steps[0], steps[4]) == {"s_nas": "10", "l_nas": "1000"}
    assert made(steps[2]) == {"s_nas": "100", "l_nas": "100"}


def test_what_a_student_is_picked_as() -> None:
    one, two = (Member(name, accuracy, cost, 1, 1) for name, accuracy, cost in (("one", 50.0, 1.0), ("two", 60.0, 2.0)))
    single = ParetoFront("", SearchSettings(), (one,), (), 1, 100, 10.0)
    assert (single.labels("one"), single.labels("two")) == ("s_nas, l_nas", "")
    both = ParetoFront("", SearchSettings(), (one, two), (), 2, 100, 10.0)
    assert (both.labels("one"), both.labels("two")) == ("s_nas", "l_nas")
    assert both.best == two and both.error == pytest.approx(100 * (0.6 * 0.4 / 100) ** 0.5)


def test_at_chance_by_all_that_were_predicted() -> None:
    """15 of 20 right by tossing coins: 21,700 of 2^20 cases, 0.0207; the best of three: up to 0.062."""
    students = [Member(str(cost), 75.0, float(cost), 1, 1) for cost in range(3)]
    assert not ParetoFront("", SearchSettings(), (students[0],), (), 3, 20, 50.0).at_chance
    assert ParetoFront("", SearchSettings(), (students[0],), tuple(students[1:]), 3, 20, 50.0).at_chance


MEMBERS = Pool(members=("resnet8", "basic-4-1x4-1x8", "basic-4-1x4-1x16", "basic-8-1x8-2x16"))


# ------------------------------------------------------------------------------------------------ pools that are lists


def test_a_list_is_searched_completely_and_without_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    store = Store(tmp_path)
    run = replace(TEACHER, method=GTN(pool=MEMBERS, after=(0, 1)), recipe=replace(RECIPE, epochs=1))
    assert not execute([run], store, Execution()).failures
    found = search(store, run, SearchSettings(trials=1))
    assert {one.name for one in (*found.members, *found.others)} == set(MEMBERS.members)
    for one in (*found.members, *found.others):
        net = create(one.name, 10, 1)
        assert (one.parameters, one.macs) == (parameters(net), macs(net, (1, 16, 16)))
    # no student is within both limits
    with pytest.raises(SpecError, match="basic-4-1x4-1x8 is the nearest"):
        search(store, run, SearchSettings(max_parameters=100))


def test_without_optuna_it_says_what_to_install(fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SpecError, match=r"pip install 'didact-distill\[search\]'"):
        search(fresh, TEACHER, SearchSettings(trials=10))
