"""Trainings in 8 bits obey the laws, begin from float runs, and are refused where they mean nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.data import Data, evaluation_batches, load
from didact.engine.accuracy import hits
from didact.engine.recipe import IN_EIGHT_BITS, Recipe
from didact.execution import Execution, execute
from didact.nets.quantised import is_range
from didact.nets.quantised.layers import QuantisedConv2d
from didact.peers.dml import DML
from didact.runs.dry_run import check
from didact.runs.engine import Engine
from didact.runs.groups import Peer
from didact.runs.run import Run, Start
from didact.spec import SpecError, from_json, to_json
from didact.store.store import Store
from didact.teaching.route import Route
from support.kept import Killed, same, weights
from support.tiny import DATA, make
from support.training import hears

FLOATS = Recipe(epochs=3, batch_size=16, schedule="one-cycle")
BITS = Recipe(epochs=3, batch_size=16, schedule="one-cycle", bits=8, settle=0.4)
LAYER = replace(BITS, weight_scales="layer")


def test_digests_of_float_runs_stay() -> None:
    assert Run(net="resnet8").digest == "3c9b514e7631d954"
    assert not {*IN_EIGHT_BITS} & {*to_json(Recipe())} and "weight_scales" not in to_json(BITS)
    start = Start(run=make(recipe=FLOATS))
    assert make(recipe=LAYER, start=start).digest != make(recipe=BITS, start=start).digest
    assert make(recipe=BITS).digest != make(recipe=FLOATS).digest


def test_ranges_and_statistics_settle() -> None:
    assert [BITS.settled(epoch, 3) for epoch in range(3)] == [False, True, True]
    assert not Recipe(epochs=1, bits=8).settled(0, 1), "the first epoch finds ranges"
    assert not FLOATS.settled(2, 3)


@pytest.mark.parametrize("method", ["ft+kd", "sskd"])
def test_the_first_epoch_with_images_finds_ranges(tmp_path: Path, method: str) -> None:
    """In their first stage these train parts of their own, and the student is not run: half of all epochs are over."""
    store, run = Store(tmp_path), make(method, recipe=Recipe(epochs=1, batch_size=16, schedule="one-cycle", bits=8))
    execute([run], store, Execution())
    ranges = [value for key, value in weights(store, run).items() if is_range(key)]
    assert ranges and all(bool(value.any()) for value in ranges)


def test_alone_equals_cohort_and_the_teacher_is_in_floats(tmp_path: Path) -> None:
    """With students in floats beside them; the teacher's weights stay, and no layer of it rounds."""
    teacher = make(seed=100, recipe=FLOATS)
    runs = [make(method, recipe=BITS, teacher=teacher) for method in ("kd", "fitnet+kd")]
    floats = make("kd", recipe=FLOATS, teacher=teacher)
    together = Store(tmp_path / "together")
    execute([*runs, floats], together, Execution(test_every=9))
    alone = Store(tmp_path / "alone")
    for run in [*runs, floats]:
        execute([run], alone, Execution(cohort_size=1, test_every=9))
        assert same(weights(alone, run), weights(together, run)), run.label
    assert len({run.cohort for run in [*runs, floats]}) == 1
    assert not any(isinstance(part, QuantisedConv2d) for part in together.load(teacher)[0].modules())
    assert not any(is_range(key) for key in weights(together, floats))
    record = together.get(runs[0])
    assert record is not None and record.final()["bits"] == 8
    other = together.get(floats)
    assert other is not None and "bits" not in other.final()


def test_the_accuracy_is_that_of_the_quantised_network(tmp_path: Path) -> None:
    store, run = Store(tmp_path), make(recipe=BITS)
    execute([run], store, Execution())
    net, dataset = store.deployed(run), load(DATA)
    assert any(isinstance(part, QuantisedConv2d) for part in net.modules())
    with torch.no_grad():
        right = sum(int(hits(net(b.images), b.labels)[0]) for b in evaluation_batches(dataset, dataset.test))
    record = store.get(run)
    assert record is not None
    assert record.final()["test_top1"] == pytest.approx(100 * right / len(dataset.test))


@pytest.mark.parametrize(("kills", "weight_scales"), [(1, "channel"), (2, "channel"), (1, "layer")])
def test_killed_and_asked_again_ends_with_the_same_weights(tmp_path: Path, kills: int, weight_scales: str) -> None:
    """Once before ranges have settled, once after."""
    run = make("kd", recipe=replace(BITS, weight_scales=weight_scales), start=Start(run=make(recipe=FLOATS)))
    whole, broken = Store(tmp_path / "whole"), Store(tmp_path / "broken")
    execute([run], whole, Execution(test_every=9))
    count = 0

    def after(event: Any) -> None:
        nonlocal count
        count += event.run == run.digest
        if count == kills:
            raise Killed

    with pytest.raises(Killed):
        execute([run], broken, Execution(test_every=9), hears(after))
    execute([run], broken, Execution(test_every=9))
    assert same(weights(whole, run), weights(broken, run))
    assert any(is_range(key) and bool(value.any()) for key, value in weights(whole, run).items())


def test_it_begins_with_a_float_run_and_a_float_run_with_it(tmp_path: Path) -> None:
    store, first = Store(tmp_path), make(recipe=FLOATS)
    still = Recipe(epochs=1, batch_size=16, schedule="constant", learning_rate=1e-12, bits=8)
    second = make(recipe=still, start=Start(run=first))
    third = make(recipe=FLOATS, start=Start(run=second), seed=3)
    execute([first, second, third], store, Execution())
    own, begun = weights(store, first), weights(store, second)
    for key, value in own.items():
        if value.is_floating_point() and "running" not in key:
            torch.testing.assert_close(begun[key], value, rtol=0, atol=1e-6)
    assert not any(is_range(key) for key in weights(store, third))


def test_norms_keep_their_statistics_where_a_layer_has_one_scale(tmp_path: Path) -> None:
    """From the first step on, and they learn on; with a scale for each channel they follow the batches."""
    store, first = Store(tmp_path), make(recipe=FLOATS)
    one, each = (make(recipe=recipe, start=Start(run=first)) for recipe in (LAYER, BITS))
    execute([first, one, each], store, Execution(test_every=9))
    begun, kept, followed = (weights(store, run) for run in (first, one, each))
    statistics = [key for key in begun if "running" in key]
    assert statistics and all(torch.equal(kept[key], begun[key]) for key in statistics)
    assert not any(torch.equal(followed[key], begun[key]) for key in statistics)
    assert not torch.equal(kept["net.stem.1.weight"], begun["net.stem.1.weight"])
    ranges = [value for key, value in kept.items() if is_range(key)]
    assert ranges and all(bool(value.any()) for value in ranges), "those behind the norms, too"


def test_weights_of_a_file_in_eight_bits(tmp_path: Path) -> None:
    from didact.runs.given import Given, seen

    store, first = Store(tmp_path), make(recipe=FLOATS)
    execute([first], store, Execution(test_every=9))
    file = Given(sha256=seen(store.folder(first) / "weights.safetensors"))
    run = make(recipe=BITS, start=Start(file=file))
    assert execute([run], store, Execution(test_every=9)).records


def test_networks_that_learn_together_and_a_route(tmp_path: Path) -> None:
    """One in 8 bits, one in 32; and a student along the teacher's route."""
    data = Data(name="digits", per_class=4)
    plain = Recipe(epochs=2, batch_size=20, schedule="one-cycle")
    bits = Recipe(epochs=2, batch_size=20, schedule="one-cycle", bits=8)
    peer = Peer(net="resnet8", recipe=plain, method=DML(), seed=1)
    group = Run(net="resnet8", data=data, recipe=bits, method=DML(), peers=(peer,))
    along = make("kd", data=data, recipe=bits, teacher=Run(net="resnet8", data=data, recipe=plain), route=Route(anchors=2))
    store = Store(tmp_path)
    outcome = execute([group, along], store, Execution(test_every=9))
    assert not outcome.failures
    own, other = (weights(store, one) for one in group.group)
    assert any(map(is_range, own)) and not any(map(is_range, other))
    assert any(map(is_range, weights(store, along)))


def test_a_teacher_in_eight_bits_teaches_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    teacher = make(recipe=BITS, seed=100)
    student = make("kd", recipe=FLOATS, teacher=teacher)
    assert execute([student], store, Execution(test_every=9)).records[student.digest]
    assert any(isinstance(part, QuantisedConv2d) for part in store.load(teacher)[0].modules())


@pytest.mark.parametrize(
    ("make_it", "said"),
    [
        (lambda: Recipe(bits=8, precision="bf16"), "precision: with bits=8 .* write precision=fp32"),
        (lambda: Recipe(settle=0.3), "settle: is for bits=8"),
        (lambda: make(recipe=LAYER), "recipe.weight_scales: .* write start=DIGEST or weights=FILE"),
        (lambda: Recipe(weight_scales="layer"), "weight_scales: is for bits=8"),
        (lambda: from_json(Recipe, {"bits": 8, "weight_scales": "tensor"}), "weight_scales"),
        (lambda: from_json(Recipe, {"bits": 4}), "bits"),
        (lambda: make({"name": "sftn", "student": "resnet8"}, recipe=BITS), "recipe.bits: the method 'sftn' prepares a teacher"),
        (lambda: make({"name": "gtn", "pool": "tiny"}, recipe=BITS), "recipe.bits: the method 'gtn' prepares a teacher"),
        (
            lambda: make("kd", recipe=FLOATS, teacher=make(recipe=BITS), engine=Engine()),
            "an engine computes a teacher of 32 bits",
        ),
        (lambda: check(make("simkd", recipe=BITS)), "recipe.bits: the method 'simkd' hands on another network than resnet8"),
    ],
)  # fmt: skip
def test_what_is_refused(make_it: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        make_it()
