"""A run beside its teacher or another run: figures against those of the networks themselves, what is kept, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from didact.analysis import cka, divergence
from didact.analysis.layers import layers as layers_of
from didact.data import Data, evaluation_batches, load
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute
from didact.measure import layers as kept
from didact.measure.comparison import compare
from didact.measure.layers import LayerComparison
from didact.method import Method
from didact.report.figures import canvas
from didact.report.figures.look import paths, pictures
from didact.runs.run import Run
from didact.spec import SpecError, choose
from didact.store.choice import chosen
from didact.store.store import Store
from didact.tables.look import summary


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run, Run]:
    """A store with a student of SimKD (which hands on a joined network), one of KD, their teacher, and a run of 3 classes."""
    store = Store(tmp_path_factory.mktemp("look"))
    data, recipe = Data(name="digits", per_class=6), Recipe(epochs=1, batch_size=16)
    teacher = Run(net="resnet8", data=data, recipe=recipe, seed=100)
    made = [
        Run(net="resnet8", data=data, recipe=recipe, method=choose(Method, name), teacher=teacher)
        for name in ("simkd", "kd")
    ]
    other = Run(net="resnet8", data=Data(name="digits", per_class=6, classes=3), recipe=recipe)
    execute([*made, other], store, Execution(test_every=9))
    return store, made[0], made[1]


def test_figures_are_those_of_the_deployed_networks(trained: tuple[Store, Run, Run]) -> None:
    store, run, _ = trained
    assert run.teacher is not None
    found = compare(store, run.digest, None, None)
    dataset = load(run.data)
    images = torch.cat([batch.images for batch in evaluation_batches(dataset, dataset.test)])
    with torch.no_grad():
        zs, zt = store.deployed(run)(images), store.deployed(run.teacher)(images)
    assert (found.own.role, found.other.role) == ("student", "teacher")
    assert found.own.accuracy == pytest.approx(divergence.accuracy(zs, dataset.test.labels))
    assert found.kl == pytest.approx(divergence.kl(zt, zs), rel=1e-4)
    assert found.agreement == pytest.approx(100 - 100 * len(found.differ) / 797)
    assert sum(found.right()) == len(found.differ)
    assert found.own.confusion.sum() == 797 and found.layers is None

    plain = json.loads(json.dumps(found.plain(), allow_nan=False))
    assert plain["own"]["by_class"].keys() == set("0123456789") and "cka" not in plain
    assert sum(row["images"] for row in plain["other"]["reliability"]) == 797
    worst = plain["disagreement"][0]
    assert worst["kl"] >= plain["disagreement"][-1]["kl"] and worst["answer"] != worst["other_answer"]
    assert worst["label"] == str(int(dataset.test.labels[worst["image"]]))


def test_against_names_another_run(trained: tuple[Store, Run, Run]) -> None:
    store, run, other = trained
    found = compare(store, run.digest[:9], other.digest, None)
    assert (found.own.role, found.other.role) == ("this run", "the other")
    assert found.other.run == other
    itself = compare(store, other.digest, other.digest, None)
    assert itself.kl == 0 and itself.agreement == 100 and itself.right() == (0, 0, 0)


def test_another_accuracy_in_the_record_is_explained(trained: tuple[Store, Run, Run]) -> None:
    """The networks are computed in fp32, whatever their training was."""
    store, student, _ = trained
    found = compare(store, student.digest, None, None)
    record = store.get(student)
    assert record is not None and found.own.recorded == record.final()["test_top1"]
    same = replace(found, own=replace(found.own, recorded=found.own.accuracy))
    other = replace(found, own=replace(found.own, recorded=12.92))
    assert not any("Record" in line for line in summary(same) if line.startswith("student"))
    assert any(
        line.startswith("student: 12.92 % in the Record and in tables of results, measured in the")
        for line in summary(other)
    )


def test_layers_are_compared_once(trained: tuple[Store, Run, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    store, run, other = trained
    found = compare(store, run.digest, other.digest, LayerComparison(images=90)).layers
    assert found is not None and found.images == 90 and found.unbiased
    dataset = load(run.data)
    images = next(evaluation_batches(dataset, dataset.test, 90)).images
    nets = [store.deployed(one) for one in (run, other)]
    shown = [layers_of(net, images) for net in nets]  # type: ignore[arg-type]
    assert list(shown[0]) == [
        "stem",
        "block 1",
        "block 2",
        "block 3",
        "block 4",
        "pooled",
        "logits",
    ]  # the projector is a block
    assert (found.rows, found.columns) == (tuple(shown[0]), tuple(shown[1]))
    assert float(found.values[2, 1]) == pytest.approx(cka.unbiased(shown[0]["block 2"], shown[1]["block 1"]), rel=1e-4)

    def refused(*args: object) -> None:
        raise AssertionError("compared again")

    with monkeypatch.context() as patched:
        patched.setattr(kept, "compare", refused)
        again = compare(store, run.digest, other.digest, LayerComparison(images=90)).layers
        assert again is not None and torch.equal(again.values, found.values)
        with pytest.raises(AssertionError, match="compared again"):
            compare(store, run.digest, other.digest, LayerComparison(images=90, unbiased=False))
    path = store.folder(run) / "layers.json"
    assert len(json.loads(path.read_text())["answers"]) == 1
    path.write_text("[{}")
    again = compare(store, run.digest, other.digest, LayerComparison(images=90)).layers
    assert again is not None and torch.equal(again.values, found.values)
    assert len(json.loads(path.read_text())["answers"]) == 1


def test_pictures(trained: tuple[Store, Run, Run], tmp_path: Path) -> None:
    store, run, other = trained
    found = compare(store, run.digest, None, LayerComparison(images=16, kind="rbf", unbiased=False))
    assert found.layers is not None and found.layers.title == "RBF CKA, 16 images"
    names = paths(found, tmp_path / "who.png")
    assert [path.name for path in names.values()] == ["who-layers.png", "who-reliability.png", "who-disagreement.png"]
    figures = pictures(found)
    assert list(figures) == list(names)
    for what, figure in figures.items():
        canvas.save(figure, names[what])
        assert names[what].stat().st_size > 10_000
    itself = compare(store, other.digest, other.digest, None)
    assert [path.name for path in paths(itself, tmp_path / "same.svg").values()] == ["same-reliability.svg"]
    assert list(pictures(itself)) == ["reliability"]


def test_what_cannot_be_looked_at(trained: tuple[Store, Run, Run], tmp_path: Path) -> None:
    store, run, _ = trained
    assert run.teacher is not None
    with pytest.raises(SpecError, match=r"'zz' fits no finished run in .*; 'didact list runs --store .*' lists them"):
        compare(store, "zz", None, None)
    with pytest.raises(SpecError, match=r"'resnet8' fits 4 runs in .*; write more of the digest"):
        chosen(store, "resnet8")
    with pytest.raises(SpecError, match=r"has no teacher; name the run to compare it with: --against DIGEST"):
        compare(store, run.teacher.digest, None, None)
    with pytest.raises(SpecError, match=r"same data and classes; .* uses digits, 10 classes, .* uses digits, 3 classes"):
        compare(store, run.digest, next(one.digest for one, _ in store.runs() if one.data.classes), None)
    with pytest.raises(SpecError, match=r"images: at least 4 .*, found 3"):
        compare(store, run.digest, None, LayerComparison(images=3))
    alone = Store(tmp_path)
    (tmp_path / "runs").mkdir()
    store.folder(run).rename(alone.folder(run))
    try:
        found = compare(alone, run.digest, None, LayerComparison(images=9))
        assert found.other is None and found.layers is None and found.own.confusion.sum() == 797
    finally:
        alone.folder(run).rename(store.folder(run))
