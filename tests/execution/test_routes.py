"""Students along their teacher's route: what is kept for them, who shares a cohort, interruptions, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from didact.data import Data, Dataset, evaluation_batches, load
from didact.engine.learner import Learner
from didact.engine.recipe import Recipe
from didact.engine.train import Cohort, Listener, train
from didact.execution import Execution, execute, work
from didact.execution.progress import Learned
from didact.method import Method
from didact.request.plan import plan
from didact.runs.labels import row_label
from didact.runs.run import Run
from didact.spec import RequestError, SpecError, choose, to_json
from didact.store.store import Store
from didact.store.writing.unfinished import Unfinished
from didact.teaching.route import Route, divergence
from support.kept import Killed, same, weights
from support.training import Ear, hears

DATA = Data(name="digits", per_class=6)
RECIPE = Recipe(epochs=4, batch_size=20, schedule="one-cycle")
TEACHER = Run(net="resnet8", data=DATA, recipe=RECIPE, seed=100)


def student(method: Any = "kd", *, route: Route | None = Route(anchors=2), **fields: Any) -> Run:  # noqa: B008 - frozen
    method = choose(Method, method)
    return Run(
        **{"net": "resnet8", "data": DATA, "recipe": RECIPE, "method": method, "teacher": TEACHER, "route": route, **fields}
    )


def test_the_teacher_is_the_same_with_and_without_a_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights bit for bit; its anchors are what it was after these epochs, in its Record, sealed."""
    with_, without = Store(tmp_path / "with"), Store(tmp_path / "without")
    seen: dict[int, dict[str, Tensor]] = {}

    def after(learner: Learner, row: dict[str, Any]) -> None:
        if learner.label.endswith(TEACHER.digest):
            seen[learner.total] = {k: v.clone() for k, v in learner.net.state_dict().items()}

    def heard(cohort: Cohort, dataset: Dataset, listeners: Sequence[Listener], **named: Any) -> None:
        train(cohort, dataset, [*listeners, Ear(after)], **named)

    with monkeypatch.context() as patch:
        patch.setattr(work, "train", heard)
        execute([student(route=Route(anchors=4))], with_, Execution(test_every=9))
    execute([TEACHER], without, Execution(test_every=9))
    assert same(weights(with_, TEACHER), weights(without, TEACHER))
    assert Unfinished(with_, TEACHER).anchors() == {1, 2, 3} and not Unfinished(without, TEACHER).anchors()
    for epoch in (1, 2, 3, 4):
        assert same(with_.anchor(TEACHER, epoch).state_dict(), seen[epoch])
    path = with_.folder(TEACHER) / "route" / "0002.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said: list[str] = []
    assert Store(with_.root, said.append).get(TEACHER) is None
    assert "route/0002.safetensors is not what was written" in said[0]


def test_students_learn_from_the_anchor_of_the_epoch(tmp_path: Path) -> None:
    """The first half of a training along two anchors is that of a student of the first one."""
    store = Store(tmp_path)
    run = student()
    answer = execute([run], store, Execution(test_every=9))
    rows = answer.records[run.digest].metrics()
    assert [row["anchor"] for row in rows] == [2, 2, 4, 4]
    plain = execute([student(route=None)], store, Execution(test_every=9)).records[student(route=None).digest].metrics()
    assert all("anchor" not in row for row in plain)
    assert rows[0]["terms"]["kd"] != plain[0]["terms"]["kd"]
    assert rows[0]["terms"]["ce"] != plain[0]["terms"]["ce"]


def test_who_shares_a_cohort() -> None:
    """Those who are at the same anchor in every epoch; a greedy route is one student's own."""
    assert student().cohort == student("at").cohort == student(seed=1).cohort
    longer = Recipe(epochs=8, batch_size=20, schedule="one-cycle")
    greedy = Route(schedule="greedy", anchors=2, threshold=1.0)
    runs = [student(), student(route=None), student(route=Route(anchors=4)), student(recipe=longer)]
    runs += [student("ab"), student(route=greedy), student(route=greedy, seed=1)]  # ab: a stage more, so more epochs
    assert len({run.cohort for run in runs}) == len({run.digest for run in runs}) == 7
    assert "route" not in to_json(student(route=None))


@pytest.mark.parametrize("threshold", [0.02, pytest.param(5.0, marks=pytest.mark.slow)])
def test_alone_equals_cohort_and_killed_equals_whole(tmp_path: Path, threshold: float) -> None:
    """Along equal and greedy routes, bit for bit, and after a kill in any epoch."""
    greedy = Route(schedule="greedy", anchors=3, threshold=threshold)
    runs = [student(), student("at+kd"), student(route=greedy), student(route=greedy, seed=1)]
    together = Store(tmp_path / "together")
    answer = execute(runs, together, Execution(test_every=9))
    rows = answer.records[runs[2].digest].metrics()
    assert rows[0]["anchor"] == 1 and all(a["next_anchor"] == b["anchor"] for a, b in itertools.pairwise(rows))
    if threshold == 5.0:  # at once near to all: on to the last
        assert rows[0]["next_anchor"] == 4
    for run in (runs[0], runs[2]):
        broken = Store(tmp_path / run.digest)
        for kill in (2, 1):  # of the teacher, in the middle of its route; then of the student, again and again
            count = 0

            def after(event: Learned, kill: int = kill) -> None:
                nonlocal count
                count += 1
                if count == kill:
                    raise Killed

            with pytest.raises(Killed):
                execute([run], broken, Execution(test_every=9), hears(after))
        for _ in range(2):

            def once(event: Learned, digest: str = run.digest) -> None:
                if event.run == digest:
                    raise Killed

            with pytest.raises(Killed):
                execute([run], broken, Execution(test_every=9), hears(once))
        again = execute([run], broken, Execution(test_every=9)).records[run.digest].metrics()
        assert same(weights(broken, run), weights(together, run))
        whole = answer.records[run.digest].metrics()
        keys = [key for key in whole[0] if key in ("loss", "anchor", "anchor_kl", "next_anchor")]
        assert [[row[k] for k in keys] for row in again] == [[row[k] for k in keys] for row in whole]


def test_a_greedy_route_measures_on_images_set_aside(tmp_path: Path) -> None:
    store = Store(tmp_path)
    data = Data(name="digits", per_class=6, validation=0.5)
    teacher = Run(net="resnet8", data=data, recipe=RECIPE, seed=100)
    run = student(data=data, teacher=teacher, route=Route(schedule="greedy", anchors=2, threshold=1e-9))
    rows = execute([run], store, Execution(test_every=9)).records[run.digest].metrics()
    assert [row["anchor"] for row in rows] == [2] * 4
    dataset = load(data)
    assert dataset.validation is not None
    found = divergence(store.anchor(teacher, 2), store.load(run)[0], evaluation_batches(dataset, dataset.validation))
    assert rows[-1]["anchor_kl"] == pytest.approx(found, rel=1e-4)


def test_a_finished_teacher_without_its_route_is_told_of(tmp_path: Path) -> None:
    store = Store(tmp_path)
    execute([TEACHER], store, Execution(test_every=9))
    with pytest.raises(RequestError, match=r"as it was after epoch 2, which was not kept .*; move .*resnet8.ce.s100.* away"):
        execute([student(), student(route=None)], store, Execution(test_every=9))
    assert len(list(store.runs())) == 1  # nothing was trained
    store.folder(TEACHER).rename(tmp_path / "aside")
    execute([student(route=Route(anchors=4))], store, Execution(test_every=9))
    execute([student()], store, Execution(test_every=9))  # after epoch 2 it was kept for the other one


def test_an_unfinished_teacher_keeps_what_is_yet_to_come(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def after(event: Learned) -> None:
        if event.row["epoch"] == 1:
            raise Killed

    with pytest.raises(Killed):
        execute([TEACHER], store, Execution(test_every=9), hears(after))
    with pytest.raises(RequestError, match="as it was after epoch 1, which was not kept"):
        execute([student(route=Route(anchors=4))], store, Execution(test_every=9))
    execute([student()], store, Execution(test_every=9))
    assert Unfinished(store, TEACHER).anchors() == {2}


def test_what_has_no_route_is_refused() -> None:
    with pytest.raises(ValueError, match="a route is the teacher's, and none is given"):
        Run(net="resnet8", route=Route())
    with pytest.raises(ValueError, match="a route of 5 anchors through 4 epochs of the teacher"):
        student(route=Route(anchors=5))
    with pytest.raises(ValueError, match="a route of 4 anchors in 3 epochs; take 3 at most"):
        student(route=Route(anchors=4), recipe=Recipe(epochs=3, batch_size=20))


def test_settings() -> None:
    wanted = {"net": "resnet8", "teacher": "resnet20", "recipe": {"name": "short", "epochs": 8}, "method": "ce,kd,at"}
    runs = plan(wanted | {"route": {"anchors": 3}})
    assert [run.route for run in runs] == [None, Route(anchors=3), Route(anchors=3)]
    (run,) = plan(wanted | {"method": "kd", "route": {"name": "greedy", "threshold": 0.5}})
    assert run.route == Route(schedule="greedy", threshold=0.5)
    assert row_label(run) == "kd along 4 anchors, greedy 0.5"
    assert row_label(runs[1]) == "kd along 3 anchors"
    assert plan(wanted | {"method": "kd", "route": "equal"})[0].route == Route()
    for changes, message in (
        ({"route": "greedy"}, "route: .*takes a threshold"),
        ({"route": {"anchor": 3}}, "route.anchor: no such setting; did you mean 'anchors'"),
        ({"route": "equal", "method": "ce"}, "route: it is a teacher's"),
        ({"route": {"anchors": 9}}, "a route of 9 anchors through 8 epochs"),
    ):
        with pytest.raises(SpecError, match=message):
            plan(wanted | changes)
    both = wanted | {"method": "kd,dml", "peers": "resnet14", "route": "equal"}
    assert [(bool(run.route), bool(run.peers)) for run in plan(both)] == [(True, False), (False, True)]
