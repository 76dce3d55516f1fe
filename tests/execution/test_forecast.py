"""Forecasts: jobs without training, operations counted by hand, sharing, and when the last job ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from didact.data import facts
from didact.execution import Execution, execute
from didact.execution.forecast import Planned, Planner, Speed, makespan, measured, planned
from didact.execution.given import PASSES
from didact.execution.jobs import Job
from didact.execution.trial import tried
from didact.nets import create
from didact.nets.blocks import macs, parameters
from didact.peers.dml import DML
from didact.runs.given import Given
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.store import Store
from didact.tables.forecast import duration, forecast
from support.tiny import DATA
from support.together import pair

pytestmark = pytest.mark.usefixtures("few_digits")

Tiny = Callable[..., Run]


def jobs(runs: list[Run], root: Path, slots: int = 1, **options: Any) -> Planner:
    planner = Planner(slots)
    execute(runs, Store(root), Execution(executor=planner, **options))
    return planner


def test_nothing_is_trained_and_nothing_is_written(tiny: Tiny, tmp_path: Path) -> None:
    planner = jobs([tiny("kd"), tiny("kd", seed=1), tiny("fitnet")], tmp_path / "store")
    assert [len(job.runs) for job in planner.jobs] == [1, 3] and not planner.finished
    assert [job.needs for job in planner.jobs] == [set(), {0}]
    assert not (tmp_path / "store").exists()


def test_what_exists_is_left_out(tiny: Tiny, tmp_path: Path) -> None:
    run = tiny("kd")
    assert run.teacher is not None
    execute([run.teacher], Store(tmp_path), Execution(test_every=9))
    planner = jobs([run], tmp_path)
    assert [job.runs for job in planner.jobs] == [(run,)] and planner.finished == {run.teacher.digest}


def test_wrong_pairs_are_refused_as_before_training(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="batches of two images"):
        jobs([tiny("srrl", recipe=tiny().recipe.__class__(epochs=1, batch_size=2))], tmp_path)


def test_a_network_with_weights_from_a_file_costs_its_tests() -> None:
    given = Run(net="resnet14", data=DATA, given=Given(sha256="0" * 64))
    image = facts(DATA).image
    net = create("resnet14", 10, image[0])
    found = tried(given)
    assert found.own == PASSES * facts(DATA).test * 2 * macs(net, image)
    assert found.weights >= 4 * parameters(net)
    with pytest.raises(SpecError, match="no missing run is trained alone"):
        measured(planned([Job(0, ((given,),))]), "cpu")


def test_operations_are_those_of_the_networks(tiny: Tiny) -> None:
    """Two operations a multiply-accumulate; a backward pass is two forward ones, but for the gradient of the images."""
    run = tiny("kd")
    image = facts(DATA).image
    work = 2 * macs(create("resnet8", 10, 1), image)
    trial = tried(run)
    assert trial.teacher == 2 * 60 * work
    test = 2 * facts(DATA).test * work
    assert 0.9 * 2 * 60 * 3 * work < trial.own - test < 2 * 60 * 3 * work
    assert trial.first == pytest.approx((trial.own - test + trial.teacher) / (2 * 60))
    assert trial.moving == 4 * parameters(create("resnet8", 10, 1)) == trial.frozen
    assert trial.image > 16 * 16 * 16 * 4  # the first map is one of those that are held


def test_stages_and_extras_count(tiny: Tiny) -> None:
    plain, two = tried(tiny("kd")), tried(tiny("ab+kd"))
    assert two.own > plain.own and two.teacher > plain.teacher  # ab has a stage before the main one
    sftn = tried(tiny({"name": "sftn", "student": "resnet8"}))
    assert sftn.first > 1.5 * tried(tiny()).first and sftn.weights > tried(tiny()).weights


def test_peers_share_what_their_group_takes() -> None:
    group = pair(DML(), ("resnet14",)).group
    one, two = tried(group[0]), tried(group[1])
    assert one.moving != two.moving and one.teacher == two.teacher == 0 and one.first == two.first


def test_a_cohort_pays_its_teacher_once(tiny: Tiny, tmp_path: Path) -> None:
    runs = [tiny("kd", seed=seed) for seed in range(3)]
    trial = tried(runs[0])
    [_, one] = planned(jobs(runs, tmp_path).jobs)
    assert one.operations == pytest.approx(trial.teacher + 3 * trial.own) and one.shared == pytest.approx(2 * trial.teacher)
    assert one.disk == 3 * trial.weights and one.answers == 2 * 60 * 10 * 4 and one.again == 0
    [_, *several] = planned(jobs(runs, tmp_path, cohort_size=1).jobs)
    assert [part.again for part in several] == [0, trial.teacher, trial.teacher]


def fake(number: int, runs: tuple[Run, ...], operations: float) -> Planned:
    return Planned(Job(number, tuple((run,) for run in runs)), operations, 0, 1, 1, 1, 0, 0)


def test_the_last_job_ends_when_each_device_has_taken_the_next(tiny: Tiny) -> None:
    student = tiny("kd")
    assert student.teacher is not None
    several = [fake(0, (student.teacher,), 2), fake(1, (student,), 3), fake(2, (tiny(),), 4), fake(3, (tiny(seed=1),), 1)]
    seconds = {at: one.operations for at, one in enumerate(several)}
    assert makespan(several, seconds, 1) == 10
    assert makespan(several, seconds, 2) == 5  # 4 and then 1 beside 2 and then 3
    assert makespan(several, seconds, 9) == 5


def test_the_table_says_time_sharing_disk_and_memory(tiny: Tiny, tmp_path: Path) -> None:
    several = planned(jobs([tiny("kd", seed=seed) for seed in range(2)], tmp_path, cohort_size=1).jobs)
    table, plain = forecast(several, 4, Speed(1e9, "as stated"), 2, 10**6)
    assert [row[0] for row in table.rows] == [1, 2, 3] and [row[4] for row in table.rows] == ["-", "1", "1"]
    assert table.rows[1][1] == "resnet8 kd" and "resnet8" in str(table.rows[1][2])
    assert "Finished: 4 runs. Missing: 3, in 3 jobs" in table.note and "as stated" in table.note
    assert "--keep-answers would save" in table.note and "which is too little" in table.note
    assert plain["seconds"] < plain["seconds_of_one_device"] == pytest.approx(plain["operations"] / 1e9)
    assert forecast([], 1, Speed(1e9, ""), 1, None)[0].note == "Finished: 1 run. Missing: 0, in 0 jobs."


def test_jobs_that_would_read_the_same_are_told_apart(tiny: Tiny) -> None:
    student = tiny("kd")
    assert student.teacher is not None
    recipe = replace(student.recipe, epochs=3)
    longer = replace(student, recipe=recipe, teacher=replace(student.teacher, recipe=recipe))
    several = [(run,) for run in (student, replace(student, seed=1), longer, replace(student, data_seed=4), tiny())]
    several += [
        (tiny("kd", seed=2), tiny("kd", seed=3), tiny("kd", seed=4)),
        (tiny({"name": "sftn", "student": "resnet8"}),),
    ]
    table, _ = forecast([fake(at, runs, 1) for at, runs in enumerate(several)], 0, Speed(1e9, ""), 1, None)
    shown = [str(row[1]) for row in table.rows]
    assert len(set(shown)) == len(shown)
    assert shown[0].startswith("resnet8 kd (2 epochs") and shown[1] == "resnet8 kd (seed 1)"
    assert "3 epochs" in shown[2] and "data seed 4" in shown[3] and shown[4] == "resnet8 ce"
    assert shown[5:] == ["3 x resnet8 kd (seeds 2 to 4)", "resnet8 sftn (for resnet8)"]
    table, _ = forecast([fake(at, (run,), 1) for at, run in enumerate((student, several[3][0]))], 0, Speed(1e9, ""), 1, None)
    assert [row[1] for row in table.rows] == ["resnet8 kd", "resnet8 kd (data seed 4)"]
    other = replace(student, teacher=replace(student.teacher, recipe=replace(student.recipe, learning_rate=0.07)))
    table, _ = forecast([fake(at, (run,), 1) for at, run in enumerate((student, other))], 0, Speed(1e9, ""), 1, None)
    assert [str(row[1]) for row in table.rows] == [f"resnet8 kd [{run.digest[:6]}]" for run in (student, other)]


def test_some_steps_are_timed(tiny: Tiny, tmp_path: Path) -> None:
    several = planned(jobs([tiny("kd")], tmp_path).jobs)
    speed = measured(several, "cpu")
    assert speed.rate > 0 and "20 steps of" in speed.how
    group = planned([Job(0, (pair(DML(), ("resnet14",)).group,))])
    with pytest.raises(SpecError, match="no missing run is trained alone"):
        measured(group, "cpu")


def test_durations_have_a_unit() -> None:
    assert [duration(s) for s in (0.5, 90, 7200, 86400 * 3)] == ["0.5 s", "1.5 min", "2.0 h", "3.0 days"]
