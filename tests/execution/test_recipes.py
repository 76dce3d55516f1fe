"""Today's recipes under the laws: alone equals cohort, a killed run ends the same, what is kept is what was tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.data import evaluation_batches, load
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.execution.progress import Learned
from didact.peers.dml import DML
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.store import Store
from didact.teaching.route import Route
from support.kept import Killed, same, weights
from support.tiny import DATA
from support.together import pair
from support.training import hears

pytestmark = pytest.mark.usefixtures("few_digits")

Tiny = Callable[..., Run]
MIXED = {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1}
SGD = Recipe(epochs=2, batch_size=16, learning_rate=0.02, schedule="cosine", warmup_epochs=1, **MIXED)
ADAMW = replace(SGD, optimiser="adamw", learning_rate=1e-3, decay_norms=False, clip=0.5, accumulate=2, ema=0.8)


def students(tiny: Tiny, recipe: Recipe, methods: list[Any]) -> list[Run]:
    teacher = Run(net="resnet8", data=DATA, recipe=SGD, seed=100)
    return [tiny(one, recipe=recipe, **({"teacher": teacher} if one != "ce" else {})) for one in methods]


def test_alone_equals_cohort_whatever_the_optimisers(tiny: Tiny, tmp_path: Path) -> None:
    """Methods with stages before their own among them; all read the same batches."""
    runs = students(tiny, ADAMW, ["kd", "ab"]) + students(tiny, SGD, ["fitnet"])
    together = Store(tmp_path / "together")
    execute(runs, together, Execution(test_every=9))
    alone = Store(tmp_path / "alone")
    for run in runs:
        execute([run], alone, Execution(cohort_size=1, test_every=9))
        assert same(weights(alone, run), weights(together, run)), run.label


@pytest.mark.skipif(find_spec("kornia") is None, reason="kornia is not installed")
def test_randaugment_is_the_same_alone_and_in_a_cohort(tiny: Tiny, tmp_path: Path) -> None:
    data = replace(DATA, randaugment=9)
    runs = [tiny("ce", data=data, recipe=recipe) for recipe in (SGD, ADAMW)]
    together, alone = Store(tmp_path / "together"), Store(tmp_path / "alone")
    execute(runs, together, Execution(test_every=9))
    execute(runs, alone, Execution(test_every=9, cohort_size=1))
    assert all(same(weights(alone, run), weights(together, run)) for run in runs)
    record = together.get(runs[0])
    assert record is not None
    assert record.environment()["kornia"] == version("kornia")


@pytest.mark.parametrize("method", ["ft", {"name": "sftn", "student": "resnet8"}], ids=["stages", "sftn"])
def test_a_killed_run_ends_with_the_same_weights(tiny: Tiny, tmp_path: Path, method: Any) -> None:
    recipe = replace(ADAMW, epochs=3)
    run = tiny(method, recipe=recipe) if method != "ft" else replace(students(tiny, recipe, ["ft"])[0])
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    execute([run], whole, Execution())

    def after(event: Learned) -> None:
        if event.run == run.digest and event.row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        execute([run], broken, Execution(), hears(after))
    execute([run], broken, Execution())
    assert same(weights(whole, run), weights(broken, run))
    records = [store.get(run) for store in (whole, broken)]
    assert all(record is not None for record in records)
    rows = [[row["gradient_norm"] for row in record.metrics()] for record in records if record is not None]
    assert rows[0] == rows[1]


def test_what_is_kept_is_what_was_tested(tiny: Tiny, store: Store) -> None:
    """The accuracy of the Record's network is that of the last row; the anchors of a route are averages, too."""
    recipe = replace(ADAMW, epochs=4, learning_rate=5e-3)
    teacher = Run(net="resnet8", data=DATA, recipe=recipe, seed=7)
    student = tiny("kd", recipe=recipe, teacher=teacher, route=Route(schedule="equal", anchors=2))
    rows: list[dict[str, Any]] = []

    def after(event: Learned) -> None:
        if event.run == teacher.digest:
            rows.append(event.row)

    execute([student], store, Execution(), hears(after))
    dataset = load(DATA)
    nets = {2: store.anchor(teacher, 2), 4: store.load(teacher)[0]}
    for epoch, net in nets.items():
        with torch.no_grad():
            batches = evaluation_batches(dataset, dataset.test)
            right = sum(float((net.eval()(b.images).argmax(1) == b.labels).sum()) for b in batches)
        assert rows[epoch - 1]["test_top1"] == pytest.approx(100 * right / len(dataset.test), abs=1e-4), epoch


def test_peers_have_optimisers_of_their_own(tmp_path: Path) -> None:
    run = pair(DML(), recipe=SGD)
    other = replace(run.peers[0], recipe=ADAMW)
    group = replace(run, peers=(other,))
    store = Store(tmp_path)
    assert len(execute([group], store, Execution(test_every=9)).records) == 2


def test_a_step_longer_than_an_epoch_is_refused(tiny: Tiny, store: Store) -> None:
    with pytest.raises(SpecError, match=r"accumulate: a step takes 5 batches, and an epoch of digits .* has 4 of 16 images"):
        execute([tiny("ce", recipe=replace(SGD, accumulate=5))], store, Execution())
    assert not (store.root / "runs").exists()
