"""Probes of finished runs: done once and kept, refused with the reason, and set side by side in a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.analysis.probe import LogisticProbe, Probed, SGDProbe
from didact.cli.main import main
from didact.data import Data, DataError, facts, load
from didact.data.resize import resized
from didact.data.sets import cifar10
from didact.execution import Execution, execute
from didact.measure import probe as studies
from didact.measure.probe import ProbeResult, probe
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.choice import chosen_all
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.table import text
from didact.tables.transfer import Transfer, transfers

PART = Data(name="digits", per_class=10)
SHORT = SGDProbe(epochs=2, seeds=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Run]:
    """A resnet8 that has seen 60 digits twice."""
    from support.tiny import make

    store, run = Store(tmp_path_factory.mktemp("store")), make("ce")
    execute([run], store, Execution())
    return store, run


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("computed again")


def test_features_are_the_network_s_at_the_size_and_scale_of_its_own_training(trained: tuple[Store, Run]) -> None:
    store, run = trained
    (answer,) = probe(store, [run], [PART], [LogisticProbe(l2=0.01)], size=12)
    assert (answer.train, answer.test, answer.size, answer.name) == (100, 797, 12, "exact")
    net, whole, own = store.deployed(run), load(PART), facts(run.data)
    vectors = []
    for split in (whole.train, whole.test):
        pixels = resized(split, 12).images.float() / 255
        with torch.no_grad():
            vectors.append(net.outputs((pixels - own.mean[0]) / own.std[0]).pooled.double())  # type: ignore[operator]
    mean, std = vectors[0].mean(0), vectors[0].std(0, correction=0)
    from sklearn.linear_model import LogisticRegression

    scaled = [((v - mean) / torch.where(std > 0, std, 1.0)).numpy() for v in vectors]
    fitted = LogisticRegression(C=1 / (100 * 0.01), tol=1e-8, max_iter=5000).fit(scaled[0], whole.train.labels.numpy())
    assert answer.probed.top1[0] == pytest.approx(100 * fitted.score(scaled[1], whole.test.labels.numpy()), abs=0.3)


def test_asked_twice_is_read_once(trained: tuple[Store, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = trained
    lines: list[str] = []
    first = probe(store, [run], [PART], [LogisticProbe(), SHORT], tell=lines.append)
    assert [line.rpartition(" ")[2] for line in lines] == ["class", "exact", "sgd"]  # the network looks once for both
    assert [len(one.probed.top1) for one in first] == [1, 2]
    monkeypatch.setattr(studies, "load", forbidden)
    assert probe(store, [run], [replace(PART, augment="none")], [LogisticProbe(), SHORT]) == first
    with pytest.raises(AssertionError, match="computed again"):
        probe(store, [run], [PART], [LogisticProbe(l2=0.5)])
    reading = Store(store.root)
    reading.computes = False
    assert probe(reading, [run], [PART], [LogisticProbe(l2=0.5), SHORT]) == first[1:]


def test_another_part_of_the_data_or_other_weights_are_probed_again(
    trained: tuple[Store, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run = trained
    probe(store, [run], [PART])
    record = store.get(run)
    assert record is not None
    (path,) = record.folder.glob("probe-*.json") if len(list(record.folder.glob("probe-*.json"))) == 1 else [None]
    monkeypatch.setattr(studies, "load", forbidden)
    monkeypatch.setattr(studies, "here", lambda name: None)  # not on this machine: what was kept is as good
    probe(store, [run], [PART])
    monkeypatch.setattr(studies, "here", lambda name: 500)
    with pytest.raises(AssertionError, match="computed again"):
        probe(store, [run], [PART])
    monkeypatch.undo()
    monkeypatch.setattr(studies, "load", forbidden)
    for kept in record.folder.glob("probe-*.json"):
        kept.write_text(kept.read_text().replace("top1", "top2"))
    with pytest.raises(AssertionError, match="computed again"):
        probe(store, [run], [PART])
    assert path is None or path.exists()


def test_what_cannot_be_probed(trained: tuple[Store, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = trained
    only = r"takes images of 1 channel, as digits has; stl10 has 3; no other data set .* of 1 channel, .* on digits only$"
    with pytest.raises(SpecError, match=only):
        probe(store, [run], [Data(name="stl10")])
    with pytest.raises(
        SpecError, match=r"of 3 channels, as cifar10 has; digits has 1; others .* cifar100, stl10, tiny-imagenet$"
    ):
        studies.fitting_size(replace(run, data=Data(name="cifar10")), PART)
    grey = replace(cifar10.DATA_SET.facts, image=(1, 32, 32))
    monkeypatch.setattr(cifar10, "DATA_SET", replace(cifar10.DATA_SET, facts=grey))
    with pytest.raises(SpecError, match=r"stl10 has 3; others with 1 channel: cifar10$"):
        studies.fitting_size(run, Data(name="stl10"))
    with pytest.raises(SpecError, match="size: at least 1, found 0"):
        probe(store, [run], [PART], size=0)
    other = replace(run, data=Data(name="cifar100"))
    with pytest.raises(LookupError, match="has not been trained"):
        probe(store, [other], [PART])
    with pytest.raises(SpecError, match="'ffff' fits no finished run"):
        chosen_all(store, [run.digest[:6], "ffff"])
    assert chosen_all(store, [run.digest[:6], "resnet8."]) == [run]


def test_missing_data_are_told_of_before_anything_is_computed(
    trained: tuple[Store, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = trained
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path))
    monkeypatch.setattr(studies, "load", forbidden)
    monkeypatch.setattr(Store, "existing", lambda store, run: Record(tmp_path))

    def unreachable(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("pooch.retrieve", unreachable)
    with pytest.raises(DataError, match=r"stl10_binary is not in .*could not be downloaded.*DIDACT_DATA"):
        probe(store, [Run(net="resnet8", data=Data(name="cifar100"))], [Data(name="stl10")])


def test_sizes_that_a_network_does_not_survive(
    trained: tuple[Store, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "existing", lambda store, run: Record(tmp_path))
    with pytest.raises(SpecError, match="do not survive this network's strides; the smallest that do are"):
        probe(trained[0], [Run(net="vgg8", data=Data(name="cifar100"))], [Data(name="stl10")], size=4)


# ------------------------------------------------------------------------------------------------ side by side


def answer(run: Run, *top1: float, data: str = "stl10", way: Any = None) -> ProbeResult:
    return ProbeResult(
        run, Data(name=data), way or (LogisticProbe() if len(top1) == 1 else SGDProbe()), 32, 5000, 8000, Probed(top1, top1)
    )


def cells(transfer: Transfer) -> tuple[list[str], list[list[str]]]:
    """Heading and rows as they are printed."""
    table = transfer.table()
    return list(table.columns), [list(map(text, row)) for row in table.rows]


def test_students_of_several_teachers_side_by_side(tiny: Callable[..., Run]) -> None:
    standard, sftn = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    found = [answer(tiny("kd", teacher=sftn, seed=s), v) for s, v in enumerate((73.0, 75.0))]
    found += [answer(tiny("kd", teacher=standard, seed=s), v) for s, v in enumerate((70.0, 73.0))]
    found += [answer(tiny("ce"), 68.0), answer(tiny("kd", teacher=sftn), 40.0, data="tiny-imagenet")]
    (table,) = transfers(found)
    head, body = cells(table)
    assert head[:4] == ["method", "stl10, standard", "stl10, sftn", "stl10, difference sftn"]
    assert head[4:] == ["tiny-imagenet, standard", "tiny-imagenet, sftn", "tiny-imagenet, difference sftn"]
    assert body[0] == ["alone (ce)", "68.00 n=1", "68.00 n=1", "", "", "", ""]
    assert body[1] == ["kd", "71.50 ± 2.12", "74.00 ± 1.41", "+2.50 ± 0.71", "", "40.00 n=1", ""]
    assert "training seeds of the students, at most 2" in table.covers
    assert "stl10: 5,000 training and 8,000 test images" in table.covers
    assert "probed by exact at 32x32" in table.title
    gtn = tiny({"name": "gtn", "pool": "tiny"}, net="resnet14")
    (table,) = transfers([answer(tiny("kd", teacher=gtn, seed=1), 74.0), *found[:4]])
    head, (shown,) = cells(table)
    assert head[1] == "stl10, standard" and shown[4:] == ["+1.00 n=1", "+2.50 ± 0.71"]
    (row,) = table.plain()["rows"]
    assert [one["values"] for one in row["differences"]] == [(1.0,), (3.0, 2.0)]


def test_probe_seeds_and_ways_are_kept_apart(tiny: Callable[..., Run]) -> None:
    exact, by_sgd = transfers([answer(tiny("ce"), 60.0), answer(tiny("ce"), 58.0, 60.0, 62.0)])
    assert cells(exact) == (["method", "stl10"], [["alone (ce)", "60.00"]])
    assert cells(by_sgd)[1] == [["alone (ce)", "60.00 ± 2.00"]]
    assert "3 probe seeds" in by_sgd.covers
    several = transfers([answer(tiny("ce", seed=s), *v) for s, v in enumerate(((58.0, 62.0), (70.0, 74.0)))])
    assert cells(several[0])[1] == [["alone (ce)", "66.00 ± 8.49"]]
    assert several[0].covers.endswith("Each is the mean of 2 probe seeds.")
    assert several[0].plain()["rows"][0]["top1"][0]["values"] == (60.0, 72.0)


def test_one_table_has_one_kind_of_spread(tiny: Callable[..., Run]) -> None:
    """A student with a single training seed has none beside those with two, however many probe seeds it has."""
    standard, sftn = tiny("ce", net="resnet14"), tiny({"name": "sftn", "student": "resnet8"}, net="resnet14")
    found = [answer(tiny("kd", teacher=standard, seed=s), *v) for s, v in enumerate(((58.0, 62.0), (70.0, 74.0)))]
    found += [answer(tiny("kd", teacher=sftn), 61.0, 67.0)]
    (table,) = transfers(found)
    assert cells(table)[1] == [["kd", "66.00 ± 8.49", "64.00 n=1", "+4.00 n=1"]]
    (table,) = transfers([found[0], found[2]])
    assert cells(table)[1] == [["kd", "60.00 ± 2.83", "64.00 ± 4.24", "+4.00 ± 1.41"]]
    (gain,) = table.plain()["rows"][0]["differences"]
    assert (gain["values"], gain["seeds"]) == ((3.0, 5.0), [[0, 0], [1, 0]]) and "teachers" not in gain
    (table,) = transfers([found[0], answer(tiny("kd", teacher=sftn, seed=1), 61.0, 67.0)])
    assert cells(table)[1][0][3] == "-", "students of different seeds"


def test_the_command(trained: tuple[Store, Run], capsys: pytest.CaptureFixture[str]) -> None:
    store, run = trained
    asked = ["probe", run.digest[:8], "--data", "digits", "--fraction", "0.1", "--store", str(store.root), "--device", "cpu"]
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert "100 training and 797 test images" in shown.out
    assert "resnet8.ce.s0 computes features of digits 10 %" in shown.err
    assert main([*asked, "--format", "markdown"]) == 0
    again = capsys.readouterr()
    assert "| alone (ce) | " in again.out
    assert "computes" not in again.err
    assert main([*asked, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["answers"]
    assert (one["digest"], one["images"], one["probe"]["name"]) == (run.digest, {"train": 100, "test": 797}, "exact")
    for wrong, message in (
        (["--seeds", "3"], "seeds: the exact probe has one optimum"),
        (["--probe", "sdg"], "did you mean 'sgd'"),
        (["--size", "0"], "--size: expected 1 or more (found 0)"),
    ):
        assert main([*asked, *wrong]) == 2
        assert message in capsys.readouterr().err
    for data, fraction, message in (
        ("digit", "1", "data.name: unknown data set 'digit'"),
        ("digits", "0", "--fraction: expected more than 0 (found 0)"),
    ):
        assert main(["probe", "r", "--data", data, "--fraction", fraction, "--store", str(store.root)]) == 2
        assert message in capsys.readouterr().err


def test_a_network_sees_images_normalised_as_its_own_were(
    tiny: Callable[..., Run], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where mean and deviation were computed from images that the catalogue has no figures of."""
    run = tiny("ce", data=Data(name="digits", size=8))
    execute([run], store, Execution())
    seen = []

    def pooled(net: Any, batches: Any) -> Any:
        seen.append(next(iter(batches)).images)
        raise InterruptedError

    monkeypatch.setattr(studies, "pooled", pooled)
    with pytest.raises(InterruptedError):
        probe(store, [run], [PART], [SHORT], size=8)
    own = load(run.data)
    assert own.mean != facts(run.data).mean
    pixels = resized(load(PART).train, 8).images.float() / 255
    assert torch.allclose(seen[0], ((pixels - own.mean[0]) / own.std[0])[: len(seen[0])], atol=1e-5)
