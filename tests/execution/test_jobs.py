"""Jobs are planned without any training: cohorts, order, what waits for what, and what a failure stops."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.execution.jobs import ROOM, Job, Outcome, Queue, schedule
from didact.methods.kd import KD
from didact.nets import create
from didact.nets.blocks import parameters
from didact.peers.dml import DML
from didact.runs.run import Run, Start
from didact.runs.work import held
from didact.store.record import Record
from didact.teaching.route import Route
from support.together import pair

DATA = Data(name="digits", per_class=4)
RECIPE = Recipe(epochs=4, batch_size=20, schedule="one-cycle", precision="fp32")


def run(net: str = "resnet8", **fields: Any) -> Run:
    return Run(**{"net": net, "data": DATA, "recipe": RECIPE, **fields})


def student(teacher: Run, seed: int = 0, **fields: Any) -> Run:
    return run(method=KD(), teacher=teacher, seed=seed, **fields)


def planned(*runs: Run, finished: tuple[Run, ...] = (), size: int = 16) -> list[Job]:
    jobs, failures = schedule(runs, {done.digest for done in finished}, {}, size)
    assert not failures
    assert [job.number for job in jobs] == list(range(len(jobs)))
    return jobs


def records(*runs: Run) -> dict[str, Record]:
    return {done.digest: Record(Path(done.digest)) for done in runs}


LARGE, SMALL = run("resnet20"), run("resnet14")


def test_teachers_come_before_their_students() -> None:
    assistant = student(LARGE, net="resnet14")
    last = student(assistant)
    jobs = planned(last, student(LARGE, 1), SMALL)
    assert [job.runs for job in jobs] == [(LARGE, SMALL), (assistant, student(LARGE, 1)), (last,)]
    assert [job.needs for job in jobs] == [set(), {0}, {1}]
    assert [job.needs for job in planned(last, finished=(LARGE, assistant))] == [set()]


def test_each_run_is_in_one_job_however_often_it_is_named() -> None:
    assert [job.runs for job in planned(student(LARGE), student(LARGE), LARGE)] == [(LARGE,), (student(LARGE),)]
    assert planned(LARGE, SMALL, finished=(LARGE, SMALL)) == []


def test_runs_that_share_batches_and_teacher_share_a_job() -> None:
    other = run(data_seed=1)
    assert [job.runs for job in planned(LARGE, other, SMALL)] == [(LARGE, SMALL), (other,)]
    jobs = planned(student(LARGE), student(SMALL), student(LARGE, 1), finished=(LARGE, SMALL))
    assert [job.runs for job in jobs] == [(student(LARGE), student(LARGE, 1)), (student(SMALL),)]


def test_a_job_has_at_most_the_cohort_size_and_whole_groups() -> None:
    runs = [student(LARGE, seed) for seed in range(5)]
    assert [len(job.runs) for job in planned(*runs, finished=(LARGE,), size=2)] == [2, 2, 1]
    three = pair(DML(), ("resnet14", "resnet8"))
    alone = [Run(net="resnet8", data=three.data, recipe=three.recipe, seed=seed) for seed in (5, 6)]
    jobs = planned(alone[0], three, alone[1], size=2)
    assert [job.groups for job in jobs] == [((alone[0],),), (three.group,), ((alone[1],),)]


def test_peers_keep_their_turns_and_the_finished_ones_stay_in_the_group() -> None:
    group = pair(DML(), ("resnet14", "resnet8"), turn=1).group
    for asked in group:
        assert [job.groups for job in planned(asked)] == [(group,)]
    assert [job.groups for job in planned(group[2], finished=group[:2])] == [(group,)]
    # a student of a finished member waits, since the whole group may be trained again
    (first, second) = planned(group[1], student(group[0], recipe=group[0].recipe), finished=(group[0],))
    assert first.groups == (group,) and second.needs == {0}


def test_a_start_and_a_teacher_are_both_waited_for() -> None:
    begun = student(LARGE, start=Start(run=run(data_seed=1)))
    jobs = planned(begun)
    assert [job.runs for job in jobs] == [(LARGE,), (run(data_seed=1),), (begun,)]
    assert jobs[2].needs == {0, 1}


def test_anchors_are_kept_for_the_routes_of_the_request() -> None:
    routes = [student(LARGE, route=Route(anchors=anchors)) for anchors in (2, 4)]
    first, *rest = planned(LARGE, *routes)
    assert first.anchors == {LARGE.digest: {1, 2, 3}}  # its end is its Record
    assert [job.anchors for job in rest] == [{}, {}]
    assert planned(student(LARGE))[0].anchors == {}


def test_a_job_is_a_plain_value() -> None:
    jobs = planned(student(LARGE, route=Route(anchors=2)), pair(DML()))
    assert pickle.loads(pickle.dumps(jobs)) == jobs


# ------------------------------------------------------------------------------------------------ failures


def test_what_failed_before_stops_what_depends_on_it_and_nothing_else() -> None:
    group = pair(DML()).group
    jobs, failures = schedule(
        [student(LARGE), student(SMALL), group[0]], set(), {LARGE.digest: "NaN", group[1].digest: "inf"}, 16
    )
    assert [job.runs for job in jobs] == [(SMALL,), (student(SMALL),)]
    before = "(so it was before; --retry goes on from its last good state)"
    assert failures == {
        LARGE.digest: f"NaN {before}",
        student(LARGE).digest: f"needs {LARGE.label}, which failed: NaN {before}",
        group[0].digest: f"inf {before}",
        group[1].digest: f"inf {before}",
    }


def test_a_failure_cancels_only_what_needs_it() -> None:
    """Of a job of two runs with different starts, one is left; a chain is cancelled to its end."""
    starts = [run(data_seed=seed) for seed in (1, 2)]
    good, bad = (run(start=Start(run=start)) for start in starts)
    last = student(bad)
    queue = Queue(planned(good, bad, last), Outcome())
    first, second = queue.next(), queue.next()
    assert first is not None and second is not None and queue.next() is None  # the rest waits for both
    queue.end(second, Outcome(failures={starts[1].digest: "NaN"}))
    assert queue.next() is None
    queue.end(first, Outcome(records(starts[0])))
    third = queue.next()
    assert third is not None and third.runs == (good,)
    queue.end(third, Outcome(records(good)))
    assert queue.next() is None
    assert queue.outcome.records == records(starts[0], good)
    reason = f"needs {starts[1].label}, which failed: NaN"
    assert queue.outcome.failures == {
        starts[1].digest: "NaN",
        bad.digest: reason,
        last.digest: f"needs {bad.label}, which failed: {reason}",
    }


def test_jobs_that_need_nothing_may_run_at_once_and_end_in_any_order() -> None:
    jobs = planned(student(LARGE), run(data_seed=1), run(data_seed=2))
    queue = Queue(jobs, Outcome())
    running = [queue.next() for _ in range(3)]
    assert running == jobs[:3] and queue.next() is None
    queue.end(jobs[0], Outcome(records(LARGE)))
    assert queue.next() == jobs[3]


def test_a_record_that_is_set_aside_is_forgotten() -> None:
    group = pair(DML()).group
    queue = Queue(planned(*group, finished=group[:1]), Outcome(records(group[0])))
    job = queue.next()
    assert job is not None
    queue.end(job, Outcome(failures={member.digest: "NaN" for member in group}))
    assert not queue.outcome.records and set(queue.outcome.failures) == {member.digest for member in group}


def test_a_cohort_is_divided_where_that_ends_earlier() -> None:
    """Networks without a teacher share little; one that dominates keeps its students together; groups of peers stay whole."""
    many = [run("resnet20", seed=seed) for seed in range(4)]
    jobs, _ = schedule(many, set(), {}, 16, 2)
    assert [len(job.runs) for job in jobs] == [2, 2] and all(not job.needs for job in jobs)
    assert [len(job.runs) for job in schedule(many, set(), {}, 16, 3)[0]] == [1, 1, 2]
    assert [len(job.runs) for job in schedule(many, set(), {}, 16, 9)[0]] == [1, 1, 1, 1]
    large = run("resnet110")
    students = [student(large, seed) for seed in range(2)]
    jobs, _ = schedule(students, {large.digest}, {}, 16, 2)
    assert [len(job.runs) for job in jobs] == [2], "the pass of resnet110 would be paid twice for two resnet8"
    small = [student(run("resnet8", seed=9), seed, net="resnet20") for seed in range(4)]
    assert [len(job.runs) for job in schedule(small, {small[0].needed[0].digest}, {}, 16, 2)[0]] == [2, 2]
    group = pair(DML(), ("resnet14",))
    assert [len(job.runs) for job in schedule([group], set(), {}, 16, 4)[0]] == [2]


def test_with_one_slot_nothing_is_divided() -> None:
    many = [run("resnet20", seed=seed) for seed in range(4)]
    assert [len(job.runs) for job in planned(*many)] == [4]


def test_a_cohort_that_does_not_fit_the_memory_is_halved_and_told() -> None:
    many = [run("resnet20", seed=seed) for seed in range(5)]
    each = held(many[0])
    assert each == 4 * RECIPE.copies * parameters(create("resnet20", 10, 1)) + sum(
        b.nbytes for b in create("resnet20", 10, 1).buffers()
    )
    said: list[str] = []
    jobs, _ = schedule(many, set(), {}, 16, 1, int(2 * each / ROOM) + 99, said.append)
    assert [len(job.runs) for job in jobs] == [2, 1, 2]
    assert len(said) == 1 and "5 learners (resnet20.ce.s0 and so on)" in said[0] and "in 3 jobs" in said[0]
    jobs, _ = schedule(many, set(), {}, 16, 1, 1, said.append)
    assert [len(job.runs) for job in jobs] == [1] * 5, "a single one is tried all the same"
    said.clear()
    assert len(schedule(many, set(), {}, 16, 1, 10**12, said.append)[0]) == 1 and not said
