"""Students that begin with finished runs: what they take over, and the command that describes them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.methods.kd import KD
from didact.request.command import alone
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.labels import recipe_label, row_label
from didact.runs.run import Run
from didact.spec import SpecError

DATA = Data(name="digits", per_class=20)
TEACHER = Run(net="resnet20", data=DATA, recipe=Recipe(epochs=40), seed=5)
FIRST = {
    str(seed): Run(net="resnet8", data=DATA, recipe=Recipe(epochs=30), method=KD(), teacher=TEACHER, seed=seed)
    for seed in range(3)
}


def planned(**wanted: Any) -> list[Run]:
    return plan({"precision": "fp32", **wanted}, find=FIRST.__getitem__)


def test_network_data_teacher_and_seed_are_those_of_the_run() -> None:
    runs = planned(start="0,1,2", recipe={"bits": 8, "epochs": 5})
    assert [run.seed for run in runs] == [0, 1, 2]
    for run in runs:
        assert (run.net, run.data, run.teacher, run.method) == ("resnet8", DATA, TEACHER, KD())
        assert run.start is not None and run.start.run == FIRST[str(run.seed)] and run.start.part == "net"
        assert (run.recipe.bits, run.recipe.epochs, run.recipe.precision) == (8, 5, "fp32")
    assert recipe_label(runs[0]) == "5 epochs, batch 128, one-cycle 0.1, 8 bits, fp32"
    assert {row_label(run) for run in runs} == {"kd fine-tuned"}


def test_what_the_request_says_holds() -> None:
    (run,) = planned(start="1", method="ce", seed=7, data={"augment": "none"}, teacher={"net": "resnet14"})
    assert (run.seed, run.data.augment, run.data.per_class, run.teacher) == (7, "none", 20, None)
    (run,) = planned(start="1", teacher={"net": "resnet14"}, recipe={"bits": 8})
    assert run.teacher is not None and run.teacher.net == "resnet14" and run.teacher.recipe.bits == 32
    with pytest.raises(SpecError, match=r"seeds: students that begin with the same weights .* name a finished run for each"):
        planned(start="1", seeds=2)


def test_the_command_describes_it() -> None:
    for run in [*planned(start="2", recipe={"bits": 8, "settle": 0.25}), *planned(start="0", method="ce", seed=4)]:
        line = alone(run, Path("s"))
        assert line is not None and run.start is not None and run.start.run is not None
        words = shlex.split(line)[2:-2]
        assert words[words.index("--start") + 1] == run.start.run.digest
        first = run.start.run
        assert plan(parse(words), find=lambda name, first=first: first) == [run]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"start": "0,branches"}, "start: branches of the teacher, or finished runs"),
        ({"start": "0", "weights": "a.pth"}, "weights: the student begins with them, or with a finished run"),
        ({"start": "0", "peers": "resnet14", "method": "dml"}, "begin with fresh weights; leave start and weights out"),
        ({"net": "resnet8", "start": "branches"}, "start: needs a teacher that has branches"),
    ],
)
def test_what_does_not_go_together(wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        planned(**wanted)


def test_without_a_store_there_are_no_runs() -> None:
    with pytest.raises(SpecError, match="start: '1f0c' names a finished run, and no store is known here"):
        plan({"net": "resnet8", "start": "1f0c"})


def test_a_teacher_takes_over_no_bits() -> None:
    (run,) = plan({"net": "resnet8", "teacher": "resnet20", "recipe": {"bits": 8}, "precision": "fp32"})
    assert run.recipe.bits == 8 and run.teacher is not None and run.teacher.recipe.bits == 32
    (plain,) = plan({"net": "resnet8", "teacher": "resnet20", "precision": "fp32"})
    assert run.teacher == plain.teacher
    line = alone(run, Path("s"))
    assert line is not None and "teacher.recipe" not in line
    both = {"net": "resnet8", "teacher": {"net": "resnet20", "recipe": {"bits": 8}}, "precision": "fp32"}
    (quantised,) = plan(both)
    assert quantised.recipe.bits == 32 and quantised.teacher is not None and quantised.teacher.recipe.bits == 8
    assert plan(parse(shlex.split(alone(quantised, Path("s")) or "")[2:-2])) == [quantised]
