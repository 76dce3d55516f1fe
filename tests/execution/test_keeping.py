"""Kept answers: a later student of the same batches needs no pass of its teacher, and ends with the same bits."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.execution.executors.workers import Workers
from didact.files.blocks import BlockWriter
from didact.nets.blocks import BlockNet
from didact.runs.run import Run
from didact.store.answers.series import Answers, Keep
from didact.store.store import Store
from didact.teaching.route import Route
from support.kept import Killed, same, weights
from support.tiny import RECIPE
from support.training import hears

pytestmark = pytest.mark.usefixtures("few_digits")

Tiny = Callable[..., Run]
LARGE = Keep(features=True)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of the batches that a frozen network is shown while others train."""
    seen: list[int] = []
    outputs = BlockNet.outputs

    def counted(self: BlockNet, images: Any, *parts: Any) -> Any:
        if (
            not self.training
            and parts
            and images.device.type != "meta"
            and not any(p.requires_grad for p in self.parameters())
        ):
            seen.append(len(images))
        return outputs(self, images, *parts)

    monkeypatch.setattr(BlockNet, "outputs", counted)
    return seen


def trained(runs: list[Run], root: Path, keep: Keep | None, said: list[str] | None = None, **options: Any) -> Store:
    store = Store(root, (said if said is not None else []).append)
    outcome = execute(runs, store, Execution(test_every=9, keep=keep, **options))
    assert not outcome.failures
    return store


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "method", ["fitnet+kd", "sskd", "crd", *(pytest.param(method, marks=pytest.mark.slow) for method in ("kd", "fitnet"))]
)
def test_a_later_student_needs_no_pass_and_has_the_same_bits(
    tiny: Tiny, tmp_path: Path, passes: list[int], method: str, precision: Any
) -> None:
    recipe = replace(RECIPE, precision=precision)
    teacher = tiny(seed=100, recipe=recipe)
    first, later = (tiny(method, seed=seed, recipe=recipe, teacher=teacher) for seed in (0, 1))
    alone = trained([later], tmp_path / "alone", None)
    kept = trained([first], tmp_path / "kept", LARGE)
    assert passes
    passes.clear()
    trained([later], tmp_path / "kept", LARGE)
    assert not passes
    assert same(weights(alone, later), weights(kept, later))
    assert [{**row, "seconds": 0, "cpu_seconds": 0, "images_per_second": 0} for row in kept.get(later).metrics()] == [
        {**row, "seconds": 0, "cpu_seconds": 0, "images_per_second": 0} for row in alone.get(later).metrics()
    ]
    assert first.digest == tiny(method, recipe=recipe, teacher=teacher).digest


def test_a_cohort_of_several_readers_leaves_what_each_of_them_reads(tiny: Tiny, tmp_path: Path, passes: list[int]) -> None:
    store = trained([tiny("kd"), tiny("crd")], tmp_path, Keep())
    passes.clear()
    trained([tiny("kd", seed=1)], tmp_path, Keep())
    assert not passes
    trained([tiny("fitnet")], tmp_path, Keep())  # maps are kept on request only
    assert len(passes) == 8
    parts = {path.name.split(".")[1] for one in Answers(store.root, 1).series() for path in one.folder.glob("*.blocks")}
    assert parts == {"logits", "pooled"}


def test_along_a_route_each_anchor_has_answers_of_its_own(tiny: Tiny, tmp_path: Path, passes: list[int]) -> None:
    route = Route(anchors=2)
    first, later = (tiny("kd", seed=seed, route=route) for seed in (0, 1))
    alone = trained([later], tmp_path / "alone", None)
    store = trained([first], tmp_path / "kept", Keep())
    assert len(Answers(store.root, 1).series()) == 2
    passes.clear()
    trained([later], tmp_path / "kept", Keep())
    assert not passes and same(weights(alone, later), weights(store, later))
    trained([tiny("kd")], tmp_path / "kept", Keep())  # epoch 2 was taught by the finished teacher, epoch 1 was not
    assert len(passes) == 4


def test_an_interrupted_student_goes_on_with_the_same_bits(tiny: Tiny, tmp_path: Path, passes: list[int]) -> None:
    long = replace(RECIPE, epochs=3)
    teacher = tiny(seed=100)
    run = tiny("kd", recipe=long, teacher=teacher)
    whole = trained([run], tmp_path / "whole", None)
    trained([tiny("kd", seed=1, recipe=long, teacher=teacher)], tmp_path / "store", Keep())

    def kill(event: Any) -> None:
        if event.run == run.digest and event.row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        execute([run], Store(tmp_path / "store"), Execution(keep=Keep()), hears(kill))
    passes.clear()
    store = trained([run], tmp_path / "store", Keep())
    assert not passes and same(weights(whole, run), weights(store, run))


def test_a_kill_within_an_epoch_leaves_no_half_of_it(
    tiny: Tiny, tmp_path: Path, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = BlockWriter.add

    def torn(self: BlockWriter, *block: Any) -> None:
        add(self, *block)
        if "0001" in self.path.name and len(self) == 2:
            raise Killed

    monkeypatch.setattr(BlockWriter, "add", torn)
    with pytest.raises(Killed):
        trained([tiny("kd")], tmp_path, Keep())
    names = [path.name for one in Answers(tmp_path, 1).series() for path in one.folder.glob("*.blocks")]
    assert names == ["main.logits.0000.blocks"]
    monkeypatch.undo()
    trained([tiny("kd")], tmp_path, Keep())


CHANGES: dict[str, dict[str, Any]] = {
    "batch size": {"recipe": replace(RECIPE, batch_size=20)},
    "precision": {"recipe": replace(RECIPE, precision="bf16")},
    "mixing": {"recipe": replace(RECIPE, mixup=0.2)},
    "data seed": {"data_seed": 1},
    "augmentation": {"data": Data(name="digits", per_class=6, augment="crop-flip")},
    "images": {"data": Data(name="digits", per_class=7)},
    "teacher": {"teacher": Run(net="resnet8", data=Data(name="digits", per_class=6), recipe=RECIPE, seed=101)},
}


OFTEN = {"batch size", "data seed", "teacher"}
"""The changes that the default tests try; the others are slow ones."""


@pytest.mark.parametrize(
    "change", [change if change in OFTEN else pytest.param(change, marks=pytest.mark.slow) for change in CHANGES]
)
def test_what_does_not_fit_is_computed(tiny: Tiny, tmp_path: Path, passes: list[int], change: str) -> None:
    fields = dict(CHANGES[change])
    if "data" in fields:
        fields["teacher"] = tiny(seed=100)
    trained([tiny("kd")], tmp_path, Keep())
    other = tiny("kd", seed=1, **fields)
    alone = trained([other], tmp_path / "alone", None)
    passes.clear()
    store = trained([other], tmp_path, Keep())
    assert sum(passes) >= 2 * 60 and same(weights(alone, other), weights(store, other))


def test_the_same_batches_under_another_recipe_are_read(tiny: Tiny, tmp_path: Path, passes: list[int]) -> None:
    """The rate and the length change no batch, so the epochs that are kept serve."""
    trained([tiny("kd")], tmp_path, Keep())
    passes.clear()
    teacher = tiny(seed=100)
    trained([tiny("kd", teacher=teacher, recipe=Recipe(epochs=3, batch_size=16, schedule="constant"))], tmp_path, Keep())
    assert len(passes) == 4


@pytest.mark.parametrize(
    "damage", ["flipped", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("cut", "empty", "folder"))]
)
def test_a_damaged_file_is_computed_again(tiny: Tiny, tmp_path: Path, passes: list[int], damage: str) -> None:
    first, later, last = (tiny("kd", seed=seed) for seed in range(3))
    alone = trained([later, last], tmp_path / "alone", None)
    store = trained([first], tmp_path / "kept", Keep())
    [path] = [*Answers(store.root, 1).series()[0].folder.glob("main.logits.0001.blocks")]
    whole = path.read_bytes()
    at = len(whole) // 8  # in the second of the four batches
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {"flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], "cut": whole[:at], "empty": b""}[damage]
        )
    passes.clear()
    said: list[str] = []
    trained([later], tmp_path / "kept", Keep(), said)
    assert passes and any("damaged" in line and "computed again" in line for line in said)
    assert same(weights(alone, later), weights(store, later))
    if damage != "folder":
        trained(
            [tiny("kd", seed=3)], tmp_path / "kept", Keep()
        )  # a damaged batch in the middle leaves the epoch for this one
        passes.clear()
        trained([last], tmp_path / "kept", Keep())
        assert not passes and same(weights(alone, last), weights(store, last))


def test_the_least_recently_used_series_goes_first_and_the_limit_holds(tiny: Tiny, tmp_path: Path) -> None:
    size = 60 * 10 * 4
    said: list[str] = []
    for seed in range(3):
        trained([tiny("kd", data_seed=seed, teacher=tiny(seed=100))], tmp_path, Keep(limit=6 * size), said)
        for one in Answers(tmp_path, 1).series():
            if seed == 1:  # the first is used once more
                used = time.time() - (1 if one.about["data_seed"] == 0 else 9)
                os.utime(one.folder / "series.json", (used, used))
    left = Answers(tmp_path, 1).series()
    assert {one.about["data_seed"] for one in left} == {0, 2} and sum(one.bytes for one in left) <= 6 * size * 1.5
    assert any("are dropped" in line for line in said)


def test_where_not_all_epochs_fit_the_first_are_kept_and_serve(tiny: Tiny, tmp_path: Path, passes: list[int]) -> None:
    said: list[str] = []
    trained([tiny("kd")], tmp_path, Keep(limit=5000), said)
    assert any("limit" in line and "--answers-limit" in line for line in said)
    passes.clear()
    trained([tiny("kd", seed=1)], tmp_path, Keep(limit=5000))
    assert len(passes) == 4


def test_a_disk_that_is_full_stops_no_training(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: BlockWriter, *block: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BlockWriter, "add", full)
    said: list[str] = []
    trained([tiny("kd")], tmp_path, Keep(), said)
    assert any("No space left on device" in line for line in said)
    assert not [*(tmp_path / "answers").rglob("*.blocks")] and not [*(tmp_path / "answers").rglob("*.tmp")]


def test_the_size_is_said_first(tiny: Tiny, tmp_path: Path) -> None:
    said: list[str] = []
    trained([tiny("kd")], tmp_path, Keep(), said)
    assert any(
        re.search(r"answers of resnet8\.ce\.s100: 0\.\d*[1-9]\d* MB an epoch", line) and "of 10.00 GB" in line
        for line in said
    )


@pytest.mark.slow
def test_workers_share_answers(tiny: Tiny, tmp_path: Path) -> None:
    runs = [tiny("kd", seed=seed) for seed in range(4)]
    alone = trained(runs, tmp_path / "alone", None)
    store = trained(runs, tmp_path / "kept", Keep(), cohort_size=1, executor=Workers(count=2, threads=1))
    assert all(same(weights(alone, run), weights(store, run)) for run in runs)
    [series] = Answers(store.root, 1).series()
    assert series.epochs == 2


def test_series_are_dropped_by_name(tiny: Tiny, tmp_path: Path) -> None:
    trained([tiny("kd")], tmp_path, Keep())
    answers = Answers(tmp_path, 1)
    assert not answers.drop("vgg8")
    assert len(answers.drop(tiny("kd").teacher.digest[:4])) == 1
    assert not answers.series()
    assert not Answers(tmp_path / "nowhere", 1).drop()
