"""The typed request: the same as its tree, and wrong settings are refused with their path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from didact import PeersRequest, Request, TeacherRequest, plan
from didact.spec import SpecError, from_json


@pytest.mark.parametrize(
    ("request_", "tree"),
    [
        (Request(net="resnet8,vgg8", seeds=2), {"net": ["resnet8", "vgg8"], "seeds": 2}),  # type: ignore[arg-type]
        (
            Request(net=("resnet8",), teacher=TeacherRequest(net="resnet20", method={"name": "sftn"}, seed=3)),
            {"net": "resnet8", "teacher": {"net": "resnet20", "method": "sftn", "seed": 3}},
        ),
        (
            Request(net=("resnet8",), method={"name": "dml", "beta": 2.0}, peers=PeersRequest(net=("resnet14",))),
            {"net": "resnet8", "method": {"name": "dml", "beta": 2.0}, "peers": "resnet14"},
        ),
        (
            Request(net=("resnet8",), data={"per_class": 4}, epochs=3, data_seed=1, route=None, teacher=None),
            {"net": "resnet8", "data": {"name": "digits", "per_class": 4}, "recipe": {"epochs": 3}, "data_seed": 1},
        ),
    ],
)
def test_a_request_makes_the_runs_of_its_tree(request_: Request, tree: dict[str, Any]) -> None:
    assert plan(request_) == plan(tree)


@pytest.mark.parametrize(
    ("tree", "lines"),
    [
        (
            {"teacher": {"teacher": {"recpie": 1}}},
            ["teacher.teacher.recpie: no such setting; did you mean 'recipe' or 'precision' or 'engine'?"],
        ),
        (
            {"teacher": {"net": "resnet20", "start": "x"}},
            [
                "teacher.start: write teacher.start=standard (it fine-tunes the standard teacher), "
                "teacher.start=weights (its own weights), or leave it out; found 'x'"
            ],
        ),
        ({"start": 3}, ["start: expected a name, or names separated by commas, found 3"]),
        ({"peers": 3}, ["peers: expected networks' names or settings such as peers.net, found 3"]),
        ({"teacher": {"recipe": 5}}, ["teacher.recipe: expected a name, or settings such as teacher.recipe.name; found 5"]),
        ({"batch_size": 8}, ["batch_size: no such setting; did you mean 'recipe.batch_size'?"]),
        ({"lr": 0.1}, ["lr: no such setting; did you mean 'recipe.learning_rate'?"]),
        ({"optimizer": "adamw"}, ["optimizer: no such setting; did you mean 'recipe.optimiser'?"]),
        ({"per_class": 5}, ["per_class: no such setting; did you mean 'data.per_class'?"]),
        ({"temperature": 2}, ["temperature: no such setting; did you mean 'method.temperature'?"]),
        ({"teacher": {"epochs": 5}}, ["teacher.epochs: no such setting; did you mean 'teacher.recipe.epochs'?"]),
        ({"teacher": {"lr": 5}}, ["teacher.lr: no such setting; did you mean 'teacher.recipe.learning_rate'?"]),
        ({"teacher": {"kl_weight": 1}}, ["teacher.kl_weight: no such setting; did you mean 'teacher.method.kl_weight'?"]),
        (
            {"teacher": {"teacher": {"perclass": 5}}},
            ["teacher.teacher.perclass: no such setting; did you mean 'teacher.teacher.data.per_class'?"],
        ),
        ({"peers": {"bs": 5}}, ["peers.bs: no such setting; did you mean 'peers.recipe.batch_size'?"]),
        ({"weight": "a"}, ["weight: no such setting; did you mean 'weights'?"]),
        ({"epoch": 2}, ["epoch: no such setting; did you mean 'epochs' or 'teacher'?"]),
        ({"seed": -1, "nett": "a"}, ["seed: expected 0 or more (found -1)", "nett: no such setting; did you mean 'net'?"]),
    ],
)
def test_faults_come_with_their_path(tree: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(SpecError) as caught:
        from_json(Request, tree)
    assert sorted(str(caught.value).split("\n")) == sorted(lines)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TeacherRequest(nett="a"), "nett: no such setting; did you mean 'net'?"),  # type: ignore[call-arg]
        (lambda: Request(seeds=0), "seeds: expected 1 or more (found 0)"),
        (lambda: Request(data=[1]), "data: expected a name, or names separated by commas, found [1]"),  # type: ignore[arg-type]
        (lambda: plan(Request()), "net: say which network is to learn, e.g. --net resnet8x4"),
    ],
)
def test_faults_in_python_are_the_same(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        build()
    assert str(caught.value) == message


def test_null_is_as_if_left_out() -> None:
    given = {"net": "resnet8", "method": "ce"}
    empty = dict.fromkeys(("seed", "seeds", "teacher", "route", "peers", "start", "data", "recipe"))
    assert plan({**given, **empty}) == plan(given)
