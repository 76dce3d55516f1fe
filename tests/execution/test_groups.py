"""Runs that learn together: one group is one training, whoever is asked for, however it was scheduled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from didact.data import Data
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.methods.kd import KD
from didact.peers.dml import DML
from didact.peers.kdcl import KDCL
from didact.request.plan import plan
from didact.runs.build import network
from didact.runs.groups import Peer, placed
from didact.runs.labels import row_label
from didact.runs.run import Run, everything
from didact.spec import SpecError, canonical, from_json, to_json
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.comparison import comparisons
from support.kept import same, weights
from support.together import DATA, OTHER, RECIPE, SMALL, pair


def test_digests_of_runs_without_peers_stay() -> None:
    assert Run(net="resnet8").digest == "3c9b514e7631d954"
    data = Data(name="cifar100")
    assert (
        Run(net="resnet8x4", teacher=Run(net="resnet32x4", data=data), data=data, method=KD(), seed=3).digest
        == "cf9dcd7d730aa6ed"
    )
    assert "peers" not in to_json(Run(net="resnet8")) and "turn" not in to_json(Run(net="resnet8"))


def test_a_group_is_the_same_whoever_describes_it() -> None:
    group = pair(DML(), ("resnet14", "resnet8"), turn=1).group
    assert [run.net for run in group] == ["resnet14", "resnet8", "resnet8"]
    assert [run.turn for run in group] == [0, 1, 2]
    assert [run.duplicates_before for run in group] == [0, 0, 1]
    assert len({run.digest for run in group}) == 3
    for run in group:
        assert [one.digest for one in run.group] == [one.digest for one in group]
        assert from_json(Run, json.loads(canonical(run))) == run
    assert len(everything([group[2]])) == 3
    assert len({run.cohort for run in group}) == 1


def test_the_order_of_those_who_take_no_turns_means_nothing() -> None:
    for method, different in ((DML(), True), (DML(order="together"), False), (KDCL(), False)):
        a, b = (Peer(net=net, method=method) for net in ("resnet14", "resnet8"))
        (first, turn), (second, other) = placed(a, [b]), placed(b, [a])
        runs = (
            Run(net="resnet14", method=method, peers=first, turn=turn),
            Run(net="resnet8", method=method, peers=second, turn=other),
        )
        assert ({one.digest for one in runs[0].group} != {one.digest for one in runs[1].group}) == different


def test_twins_begin_otherwise() -> None:
    first, second = pair(DML(), ("resnet8",)).group
    assert first.own_seed == 0 != second.own_seed
    one, two, alone = (
        network(run).state_dict()["head.classifier.weight"] for run in (first, second, Run(net="resnet8", data=DATA))
    )
    assert torch.equal(one, alone) and not torch.equal(one, two)


def test_what_cannot_learn_together_is_refused() -> None:
    def peer(**fields: Any) -> Peer:
        return Peer(**{"net": "resnet14", "recipe": RECIPE, "method": DML(), **fields})

    def refused(match: str, *peers: Peer, **fields: Any) -> None:
        with pytest.raises(ValueError, match=match):
            Run(**{"net": "resnet8", "data": DATA, "recipe": RECIPE, "method": DML(), "peers": peers, **fields})

    refused("the method 'dml' learns from peers and none is given; name some, e.g. --peers.net resnet20")
    refused("peers are given, but the method 'ce' looks at none", peer(method="ce"), method="ce")
    refused(r"share recipe.epochs; found resnet8 2, resnet14 3", peer(recipe=Recipe(epochs=3, batch_size=20)))
    refused(r"share recipe.batch_size; found resnet8 20, resnet14 10", peer(recipe=Recipe(epochs=2, batch_size=10)))
    refused("turn 2 in a group of 2: the first is 0, the last 1", peer(), turn=2)
    refused("turn 1 is a place among peers", method="ce", turn=1)
    refused("reads no teacher", peer(), teacher=Run(net="resnet8", data=DATA))
    refused("begin with fresh weights", peer(), start={"run": Run(net="resnet8", data=DATA)})
    with pytest.raises(ValueError, match="either all read the teacher or all do without"):
        Run(net="resnet8", method=KD(), teacher=Run(net="resnet8"), peers=(Peer(net="resnet8", method=DML()),))
    with pytest.raises(ValueError, match="unknown network 'resnet15'; did you mean"):
        Peer(net="resnet15", method=DML())


def deaf(num_classes: int, in_channels: int) -> nn.Module:
    """A network that answers for three classes whatever it is asked."""
    from didact.nets import create

    return create("resnet8", 3, in_channels)


def test_other_classes_are_refused_before_anything_is_trained(store: Store) -> None:
    for run in (pair(DML(), (f"{__name__}:deaf",)), *pair(DML(), (f"{__name__}:deaf",)).group[1:]):
        with pytest.raises(SpecError, match=r"gives 3 logits, digits 4 per class has 10 classes"):
            execute([run], store, Execution())
    assert not (store.root / "runs").exists()


# ------------------------------------------------------------------------------------------------ the laws


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_a_group_in_a_cohort_equals_itself_alone(tmp_path: Path, precision: Any) -> None:
    """Bitwise: pairs of either method, three of one, another seed and one who learns alone, all in one cohort, and each apart."""
    recipe = Recipe(epochs=2, batch_size=20, schedule="one-cycle", precision=precision)
    runs = [
        pair(DML(), (OTHER,), net=SMALL, recipe=recipe),
        pair(DML(), (OTHER,), net=SMALL, recipe=recipe, seed=1),
        pair(DML(order="together"), (SMALL, SMALL), net=SMALL, recipe=recipe),
        pair(KDCL(), (SMALL,), net=SMALL, recipe=recipe),
        pair(KDCL(target="linear", images="shared"), (OTHER,), net=SMALL, recipe=recipe),
        Run(net=SMALL, data=DATA, recipe=recipe),
    ]
    together = Store(tmp_path / "together")
    if precision == "bf16":
        runs = [runs[0], runs[3]]
    found = execute(runs, together, Execution(test_every=9, cohort_size=99))
    assert len(found.records) == sum(len(run.group) for run in runs)
    for number, run in enumerate(runs):
        alone = Store(tmp_path / f"alone{number}")
        execute([run], alone, Execution(cohort_size=1, test_every=9))
        for member in run.group:
            assert same(weights(alone, member), weights(together, member)), (member.label, member.turn)


def test_ask_for_one_and_all_are_there(store: Store) -> None:
    run = pair(KDCL(target="general"), ("resnet14", "resnet8"), data=Data(name="digits", per_class=4, validation=0.5))
    records = execute([run], store, Execution()).records
    assert set(records) == {member.digest for member in run.group}
    for member in run.group:
        assert {"test_top1", "validation_top1"} <= set(records[member.digest].final())
        assert not {"checkpoint.safetensors", "previous.safetensors"} & {
            p.name for p in records[member.digest].folder.iterdir()
        }
        assert weights(store, member)["extras.weights"].sum() == pytest.approx(1, abs=1e-5)
        store.load(member)
    stamps = [(r.folder / "record.json").stat().st_mtime_ns for r in records.values()]
    again = execute([run.group[2]], store, Execution()).records
    assert [(again[d].folder / "record.json").stat().st_mtime_ns for d in records] == stamps


def test_a_peer_may_be_looked_at_and_look_at_nobody(store: Store, tmp_path: Path) -> None:
    """By ce beside one who learns from it, a network ends as it does alone."""
    watched = Peer(net="resnet14", recipe=RECIPE, method="ce")  # type: ignore[arg-type]
    run = Run(net="resnet8", data=DATA, recipe=RECIPE, method=DML(order="together"), peers=(watched,))
    alone = Run(net="resnet14", data=DATA, recipe=RECIPE)
    execute([run, alone], store, Execution(test_every=9))
    assert same(weights(store, run.group[1]), weights(store, alone))


def test_an_augmentation_of_ones_own(store: Store) -> None:
    """By KDCL a network sees other crops than its peer: with none to make, the setting changes nothing, else it does."""
    for augment, equal in (("none", True), ("crop", False)):
        data = Data(name="digits", per_class=4, augment=augment)  # type: ignore[arg-type]
        own, shared = (pair(KDCL(images=images), (OTHER,), net=SMALL, data=data) for images in ("own", "shared"))
        execute([own, shared], store, Execution(test_every=9))
        assert same(weights(store, own), weights(store, shared)) == equal


# ------------------------------------------------------------------------------------------------ settings and tables


def test_settings() -> None:
    wanted = {
        "net": "resnet8",
        "recipe": {"name": "short", "epochs": 2},
        "peers": {"net": "MobileNetV2,resnet14", "seed": 7},
    }
    (run,) = plan(wanted)
    assert run.method == DML()
    assert [(one.net, one.seed, one.recipe.epochs, one.recipe.learning_rate) for one in run.peers] == [
        ("mobilenet_v2", 7, 2, pytest.approx(0.02)),
        ("resnet14", 7, 2, 0.1),
    ]
    runs = plan(wanted | {"method": "ce,kd,dml,kdcl", "teacher": "resnet20", "seeds": 2})
    assert [(r.method.name(), bool(r.teacher), len(r.peers)) for r in runs[::2]] == [
        ("ce", False, 0), ("kd", True, 0), ("dml", False, 2), ("kdcl", False, 2),
    ]  # fmt: skip
    (run,) = plan(
        {"net": "resnet8", "peers": {"net": "resnet14", "method": "ce", "recipe": {"learning_rate": 0.3}}, "method": "kdcl"}
    )
    assert (run.peers[0].method.name(), run.peers[0].recipe.learning_rate, run.recipe.learning_rate) == ("ce", 0.3, 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peers": {"nets": "resnet14"}}, r"peers.nets: no such setting; did you mean 'net'"),
        ({"peers": {"seed": 1}}, r"peers.net: say which networks learn together with it"),
        ({"peers": {"net": "resnet15"}}, r"peers.net: .*did you mean"),
        ({"peers": 3}, r"peers: expected networks' names"),
        ({"peers": "resnet14", "method": "ce"}, r"peers: no method of the request reads peers; write method=dml"),
        (
            {"peers": "resnet14", "method": "kd"},
            r"'kd' reads a teacher and no peers, and only peers are given; write method=dml",
        ),
        ({"method": "dml"}, r"learns from peers and none is given"),
        ({"peers": {"net": "resnet14", "method": "dml,ce"}}, r"peers.method: one for all peers"),
        ({"peers": {"net": "resnet14", "method": {"name": "dml", "beta": -1}}}, r"peers.method.beta"),
        ({"peers": {"net": "resnet14", "recipe": {"epochs": 5}}}, r"share recipe.epochs"),
        ({"peers": {"net": "resnet14", "data": "cifar100"}}, r"peers.data: no such setting"),
    ],
)
def test_wrong_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        plan({"net": "resnet8", "method": "dml"} | changes)


def test_rows_name_the_peers(store: Store) -> None:
    run = pair(DML(), ("resnet14", "resnet8"))
    assert [row_label(one) for one in run.group] == [
        "dml with resnet14, resnet8",
        "dml with resnet8, resnet8 (turn 2)",
        "dml with resnet8, resnet14 (turn 3)",
    ]
    seeds = Run(net="resnet8", method=KDCL(target="mean"), peers=(Peer(net="resnet14", method="ce", seed=4),))  # type: ignore[arg-type]
    assert row_label(seeds) == "kdcl (target=mean) with resnet14 by ce seed 4"
    records: Callable[[Run], Record] = lambda run: execute([run], store, Execution(test_every=9)).records[run.digest]  # noqa: E731
    group = pair(DML()).group
    made = comparisons([(one, records(one)) for one in group], {one.digest for one in group})
    assert [(table.title.split()[0], table.rows[0].method) for table in made] == [
        ("resnet8", "dml with resnet14"), ("resnet14", "dml with resnet8 (turn 2)"),
    ]  # fmt: skip
