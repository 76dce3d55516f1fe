"""Which runs from the weights of a file are copies of each other, whatever their seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.execution import Execution, execute
from didact.nets import create
from didact.runs.copies import copies
from didact.runs.given import Given, seen
from didact.runs.run import Run, Start
from didact.spec import SpecError
from didact.store.store import Store
from support.tiny import RECIPE, make


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))


def saved(folder: Path, net: str = "resnet8", classes: int = 10) -> Start:
    torch.save(create(net, classes, 1).state_dict(), folder / "net.pth")
    return Start(file=Given(sha256=seen(folder / "net.pth")))


def seeds(run: Run, number: int = 3) -> list[Run]:
    return [replace(run, seed=seed) for seed in range(number)]


def digests(runs: list[Run]) -> set[str]:
    return {run.digest for run in runs}


@pytest.mark.parametrize("method", ["ce", "kd", "sp"])
def test_methods_that_add_nothing(method: str, tmp_path: Path) -> None:
    runs = seeds(make(method, start=saved(tmp_path)))
    assert copies(runs, digests(runs)) == [tuple(runs)]
    assert copies(runs, digests(runs[2:])) == [tuple(runs)]  # the others are trained already
    assert copies(runs, set()) == copies(runs[:1], digests(runs)) == []


@pytest.mark.parametrize(
    ("fields", "classes"),
    [
        ({"method": "fitnet"}, 10),
        ({"method": "crd"}, 10),
        ({"method": "ce"}, 12),
        ({"method": "ce", "net": "support.owned:dropped"}, 10),
        ({"method": "ce", "net": "support.owned:rarely"}, 10),
        ({"method": "support.played:OwnImages"}, 10),
    ],
    ids=["an adapter", "drawn negatives", "a fresh last layer", "dropout", "rare dropout", "images of its own"],
)
def test_seeds_that_change_something(fields: dict[str, Any], classes: int, tmp_path: Path) -> None:
    start = saved(tmp_path, fields.get("net", "resnet8"), classes)
    runs = seeds(make(start=start, **fields), 2)
    assert copies(runs, digests(runs)) == []


def test_a_training_that_ends_in_no_numbers(tmp_path: Path) -> None:
    runs = seeds(make(start=saved(tmp_path), recipe=replace(RECIPE, learning_rate=1e6)), 2)
    assert copies(runs, digests(runs)) == [tuple(runs)]


def test_fresh_weights_and_other_batches_are_no_copies(tmp_path: Path) -> None:
    start = saved(tmp_path)
    runs = [*seeds(make()), make(start=start), make(start=start, data_seed=1)]
    assert copies(runs, digests(runs)) == []


def test_copies_are_refused_before_training_and_one_of_them_is_trained(tmp_path: Path) -> None:
    """Also where they are the teachers of what is asked for."""
    store, start = Store(tmp_path / "store"), saved(tmp_path)
    runs = seeds(make(start=start), 2)
    message = (
        r"resnet8\.ce\.s0: it begins with the weights of a file.*the seeds 0, 1 train the same network 2 times; write seed=0"
    )
    for asked in (runs, [make("kd", teacher=teacher) for teacher in runs]):
        with pytest.raises(SpecError, match=message):
            execute(asked, store, Execution())
    assert not list(store.root.glob("runs/*"))
    assert not execute(runs[:1], store, Execution()).failures
    with pytest.raises(SpecError, match=message):
        execute(runs, store, Execution())
