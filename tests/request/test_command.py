"""The commands that train a teacher, and that distil from it, as they are printed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.engine.recipes import RECIPES
from didact.method import Method
from didact.nets.supernet import SPACES, Choices, Pool, Space
from didact.request.command import alone, command
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.run import Run, Start
from didact.spec import catalogue, choose, find, to_json
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
        Run(net="resnet20", data=DATA, recipe=RECIPES["modern"].recipe, method=GTN(pool=SPACES["tiny"])),
        Run(
            net="mobilenet_v2",
            data=DATA,
            recipe=replace(RECIPES["modern"].recipe, epochs=50, ema=None, clip=5.0, accumulate=4),
            method=GTN(pool=SPACES["tiny"]),
        ),
    ],
    ids=["paper", "own-space", "list", "modern", "modern-changed"],
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
    begun = Run(net="resnet20", data=DATA, method=GTN(pool=OWN), start=Start(run=first))
    line = alone(begun, Path("s"))
    assert line is not None and plan(parse(shlex.split(line)[2:-2]), find={first.digest: first}.__getitem__) == [begun]
    assert alone(Run(net="resnet20", data=DATA, start=Start(run=first, part="branches.0.net")), Path("s")) is None


SAMPLE: list[dict[str, Any]] = [
    {"method": "ce", "seed": 7, "data_seed": 2, "recipe": {"name": "paper", "epochs": 30, "milestones": [0.5]}},
    {"net": "mobilenet_v2", "method": "ce", "recipe": {"learning_rate": 0.3, "nesterov": True, "precision": "bf16"}},
    {"method": "ce", "data": {"name": "digits", "augment": "none", "fraction": 0.5, "per_class": 7, "size": 8}},
    {"method": "ce", "data": {"name": "cifar100", "classes": 20, "validation": 0.1, "size": 16}},
    {"method": "kd", "teacher": {"net": "resnet20", "method": {"name": "ce", "label_smoothing": 0.1}}},
    {"method": {"name": "fitnet+kd", "beta": 2.0}, "teacher": "resnet20"},
    {"method": {"name": "sckd", "inner": {"name": "dkd", "gamma": 2.0}}, "teacher": {"net": "resnet20", "seed": 3}},
    {"method": "kd", "teacher": {"net": "resnet20", "data": {"size": 8}, "recipe": {"epochs": 5}, "data_seed": 9}},
    {
        "method": "kd",
        "data": {"name": "cifar100", "classes": 10, "fraction": 0.5},
        "teacher": {"net": "resnet20", "data": {"fraction": 1.0, "classes": None}, "recipe": "paper"},
    },
    {"method": "at+kd", "teacher": {"net": "resnet20", "method": {"name": "sftn", "kl_weight": 1.0}}, "start": "branches"},
    {"method": "kd", "teacher": {"net": "resnet20", "method": {"name": "sftn", "student": "vgg8"}, "start": "standard"}},
    {"method": "kd", "teacher": {"net": "resnet20", "method": {"name": "gtn", "pool": "tiny", "after": [0, 1]}}},
    {"method": "kd", "teacher": {"net": "resnet20", "method": {"name": "gtn", "pool": "vgg8,resnet8", "paths": 2}}},
    {"method": "kd", "teacher": {"net": "resnet20", "method": {"name": "gtn", "pool": to_json(OWN)}}},
    {
        "method": "kd",
        "recipe": {"epochs": 3},
        "teacher": {
            "net": "resnet14",
            "method": {"name": "kd", "temperature": 2.0},
            "recipe": {"epochs": 5},
            "data_seed": 1,
            "teacher": {"net": "resnet20", "method": "sftn", "recipe": {"epochs": 3}, "data_seed": 0, "seed": 4},
        },
    },
    {"method": "kd", "recipe": "imagenet", "teacher": {"net": "resnet20", "method": "standard,sftn"}},
    {"method": "kd", "recipe": "imagenet", "teacher": {"net": "resnet20", "method": {"name": "sftn", "kl_weight": 3.0}}},
    {"method": "kd", "teacher": {"net": "resnet20", "method": "sftn", "recipe": "imagenet"}},
    {"method": "kd", "teacher": "resnet20", "route": {"anchors": 3}},
    {"method": "kd", "teacher": "resnet20", "route": {"name": "greedy", "threshold": 0.25}},
    {"method": "dml", "peers": "resnet14,vgg8"},
    {"method": "dml", "seed": 2, "peers": {"net": "resnet8", "seed": 3, "recipe": {"learning_rate": 0.5}}},
    {
        "method": {"name": "kdcl", "target": "general"},
        "data": {"validation": 0.2},
        "peers": {"net": "resnet14", "method": {"name": "kdcl", "beta": 2.0, "images": "shared"}},
    },
    {"method": "kdcl", "peers": {"net": "resnet14", "method": "ce"}},
    {"net": "support.owned:dropped", "method": "support.owned:Noisy", "teacher": "support.owned:always"},
    {"method": "kd", "teacher": {"net": "resnet14", "method": "support.guiding:Companion"}, "start": "branches"},
]
METHODS = [name for home in ("didact.methods", "didact.peers") for name in catalogue(home)]


@pytest.mark.parametrize("asked", SAMPLE)
def test_a_run_comes_back_from_its_command(asked: dict[str, Any]) -> None:
    for run in plan({"net": "resnet8", **asked}):
        round_trip(run)


@pytest.mark.parametrize("name", METHODS)
def test_a_run_of_every_method_comes_back(name: str) -> None:
    cls = find(Method, name)
    needs = choose(Method, name).needs
    more = {"teacher": "resnet20"} if needs.teacher else {"peers": "resnet20"} if needs.peers else {}
    for preset in ("", *(f"+{preset}" for preset in cls.presets)):
        (run,) = plan({"net": "resnet8", "method": name + preset, **more})
        round_trip(run)


def round_trip(run: Run) -> None:
    line = alone(run, Path("store"))
    assert line is not None
    assert [planned.digest for planned in plan(parse(shlex.split(line)[2:-2]))] == [run.digest]


def test_a_teacher_that_no_command_describes() -> None:
    other = Run(net="resnet20", data=DATA, seed=9)
    assert (
        command(Run(net="resnet20", data=DATA, method=GTN(pool=OWN), start=Start(run=other)), ["resnet8"], Path("s")) is None
    )
