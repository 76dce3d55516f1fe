"""The commands that train a teacher, and that distil from it, as they are printed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.nets.supernet import SPACES, Choices, Pool, Space
from didact.request.command import alone, command
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.run import Run, Start
from didact.teaching.gtn import GTN

DATA = Data(name="cifar100", classes=20, validation=0.1)
OWN = Space(
    kind="inverted", stages=(Choices(depth=(1, 2), width=(8, 16)), Choices(depth=(1,), width=(16, 24))), head=(32, 64)
)


@pytest.mark.parametrize(
    "run",
    [
        Run(net="resnet20", data=DATA, method=GTN(pool=SPACES["tiny"], after=(0, 1))),
        Run(
            net="resnet20", data=DATA, recipe=Recipe(epochs=7, learning_rate=0.2), seed=3, data_seed=4, method=GTN(pool=OWN)
        ),
        Run(
            net="vgg8",
            data=DATA,
            recipe=Recipe(epochs=3, precision="bf16", schedule="one-cycle"),
            method=GTN(pool=Pool(members=("resnet8", "basic-4-1x4-1x8")), sampling="sandwich", paths=2, alpha=0.5),
        ),
    ],
    ids=["paper", "own-space", "list"],
)
def test_it_names_the_very_teacher(run: Run) -> None:
    fine_tuned = replace(run, start=Start(run=Run(net=run.net, data=run.data, recipe=run.recipe, data_seed=run.data_seed)))
    for one in (run, fine_tuned) if run.seed == 0 else (run,):
        line = command(one, ["resnet8", "basic-4-1x4-1x8"], Path("my store"))
        assert line is not None and "--store 'my store'" in line
        words = shlex.split(line)[2:-2]
        assert [(r.net, r.teacher and r.teacher.digest) for r in plan(parse(words))] == [
            ("resnet8", one.digest),
            ("basic-4-1x4-1x8", one.digest),
        ]


def test_it_trains_the_very_teacher() -> None:
    for run in (
        Run(net="resnet20", data=DATA, method=GTN(pool=SPACES["tiny"], after=(0, 1))),
        Run(net="vgg8", data=DATA, recipe=Recipe(epochs=7), seed=3, data_seed=4, method=GTN(pool=OWN, paths=2)),
    ):
        line = alone(run, Path("my store"))
        assert line is not None and line.endswith("--store 'my store'") and plan(parse(shlex.split(line)[2:-2])) == [run]
    first = Run(net="resnet20", data=DATA)
    assert alone(Run(net="resnet20", data=DATA, method=GTN(pool=OWN), start=Start(run=first)), Path("s")) is None


def test_a_teacher_that_no_command_describes() -> None:
    other = Run(net="resnet20", data=DATA, seed=9)
    assert (
        command(Run(net="resnet20", data=DATA, method=GTN(pool=OWN), start=Start(run=other)), ["resnet8"], Path("s")) is None
    )
