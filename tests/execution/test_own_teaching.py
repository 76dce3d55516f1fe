"""Methods on the teacher and baselines from outside the package: what they declare is all that the rooms above need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from didact import Execution, Store, execute, plan
from didact.catalogue.methods import added, describe
from didact.data import Data
from didact.runs.labels import row_label, teacher_summary
from didact.runs.run import everything
from didact.spec import SpecError
from support.guiding import Companion

STUDENT, TEACHER = "basic-4-1x4-1x8", "basic-4-1x6-1x8"
OWN = "support.guiding"


def runs(method: Any, teacher: Any, **more: Any) -> list[Any]:
    return plan(
        {
            "net": STUDENT,
            "method": method,
            "teacher": {"net": TEACHER, "method": teacher},
            "recipe": {"epochs": 1, "batch_size": 4, "learning_rate": 0.02, "precision": "fp32"},
            "data": {"name": "digits", "classes": 2, "per_class": 4},
            **more,
        }
    )


@pytest.mark.usefixtures("few_digits")
def test_a_student_begins_with_the_branch_that_the_teachers_method_declares(tmp_path: Path) -> None:
    (run,) = runs("kd", f"{OWN}:Companion", start="branches")
    assert run.teacher is not None and run.start is not None
    assert run.teacher.method == Companion(student=STUDENT)
    assert (run.start.run, run.start.part) == (run.teacher, "companion")
    store = Store(tmp_path)
    outcome = execute([run], store, Execution())
    assert set(outcome.records) == {run.digest, run.teacher.digest} and not outcome.failures
    (row,) = outcome.records[run.teacher.digest].metrics()
    assert set(row["watched"]) == {"norm"}
    _, extras = store.load(run.teacher)
    fresh, _ = store.load(run)
    shapes = {name: tensor.shape for name, tensor in extras.get_submodule("companion").state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in fresh.state_dict().items()}
    assert row_label(run) == "kd from a branch"
    assert teacher_summary(run.teacher, run) == f"{OWN}:Companion"
    assert teacher_summary(run.teacher) == f"{OWN}:Companion (for {STUDENT})"


def test_one_that_prepares_for_nobody_has_no_branches() -> None:
    with pytest.raises(SpecError, match="start: needs a teacher that has branches"):
        runs("kd", {"name": f"{OWN}:Calm", "smoothing": 0.2}, start="branches")


def test_they_are_described_as_the_packages_own() -> None:
    companion, calm = describe(f"{OWN}:Companion"), describe(f"{OWN}:Calm")
    assert companion.option == calm.option == "teacher.method"
    assert companion.command == f"didact train --net resnet8 --teacher.net resnet20 --teacher.method {OWN}:Companion"
    assert calm.command.endswith(f"--teacher.method {OWN}:Calm --teacher.method.smoothing 0.1")
    assert [row[0] for row in companion.settings] == ["student", "weight"]
    assert added(f"{OWN}:Companion", STUDENT, TEACHER, Data()).parameters > 0


def test_a_baseline_of_ones_own_trains_beside_students_of_a_teacher() -> None:
    alone, taught = runs(f"{OWN}:Smoothed,kd", "standard")
    assert alone.teacher is None and taught.teacher is not None
    assert len(everything([alone, taught])) == 3
    assert row_label(alone) == f"alone ({OWN}:Smoothed)"
    assert teacher_summary(alone) == f"{OWN}:Smoothed"
    with pytest.raises(SpecError, match=r"method: 'sftn' reads no teacher .* write teacher\.method=sftn"):
        runs({"name": "sftn", "student": STUDENT}, "standard")
