"""Students that learn from images without labels: which methods refuse them, trainings, and their laws."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from didact import Execution, Store, create, execute, plan
from didact.data import Data, PartlyLabelled, describe, load
from didact.engine.train import Listener
from didact.request.command import alone
from didact.runs.run import Run
from didact.spec import SpecError, from_json, to_json
from support.pictures import classes
from support.unlabelled import unlabelled


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return unlabelled(tmp_path, monkeypatch)


def request(folders: Path, method: str, **data: object) -> dict[str, Any]:
    data = {"name": f"folder:{folders / 'flowers'}", "size": 8, "unlabelled": str(folders / "more")} | data
    return {
        "net": "resnet8",
        "data": data,
        "method": method,
        "teacher": {"net": "resnet8"},
        "recipe": {"epochs": 2, "batch_size": 8},
    }


def test_who_refuses_them(folders: Path) -> None:
    for method in ("dkd", "crd", "sskd"):
        with pytest.raises(
            SpecError, match=f"the method '{method}' reads the class of each image, and those of data.unlabelled"
        ):
            plan(request(folders, method), "cpu")
    with pytest.raises(SpecError, match="the method 'ce' learns from labels alone"):
        plan({"net": "resnet8", "data": request(folders, "ce")["data"]}, "cpu")
    smooth = request(folders, "kd", unlabelled_share=1)
    smooth["recipe"]["label_smoothing"] = 0.1
    with pytest.raises(SpecError, match=r"write recipe\.label_smoothing=0"):
        plan(smooth, "cpu")
    mixed = request(folders, "kd", unlabelled_share=0.1)
    mixed["recipe"]["mixup"] = 0.2
    with pytest.raises(SpecError, match="of 8 images in a batch 1 have no label"):
        plan(mixed, "cpu")


@pytest.mark.parametrize("mixing", [{}, {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1}])
def test_from_a_request_to_a_trained_student(folders: Path, tmp_path: Path, mixing: dict[str, float]) -> None:
    """The teacher learns from labels; the student from all images; the command that trains it is found."""
    asked = request(folders, "kd,fitnet+kd")
    asked["recipe"] |= mixing
    runs = plan(asked, "cpu")
    assert all(run.data.unlabelled and run.teacher and run.teacher.data.unlabelled is None for run in runs)
    store = Store(tmp_path / "store")
    outcome = execute(runs, store, Execution())
    assert not outcome.failures
    for run in runs:
        row = outcome.records[run.digest].metrics()[-1]
        assert 0 <= row["train_top1"] <= 100
        assert "--data.unlabelled" in str(alone(run, store.root))
        assert from_json(Run, to_json(run)) == run
    lonely = plan(request(folders, "kd", unlabelled_share=1), "cpu")
    record = execute(lonely, store, Execution()).records[lonely[0].digest]
    assert "train_top1" not in record.metrics()[-1]
    assert "test_top1" in record.metrics()[-1]


def test_a_flat_folder_may_be_all_there_is_to_learn_from(folders: Path, tmp_path: Path) -> None:
    """Labels are for the test alone; the teacher is one with weights from a file."""
    tests = classes(tmp_path / "tests" / "test", {"daisy": 5, "rose": 5}, height=8, width=8).parent
    asked = request(folders, "kd,fitnet+kd", name=f"folder:{tests}", unlabelled_share=1)
    net = create("resnet8", 2, 3)
    save_file(net.state_dict(), tmp_path / "teacher.safetensors")
    asked["teacher"]["weights"] = str(tmp_path / "teacher.safetensors")
    runs = plan(asked, "cpu")
    dataset = load(runs[0].data)
    assert dataset.train is dataset.unlabelled
    assert (len(dataset.train), len(dataset.test), dataset.names) == (7, 10, ("daisy", "rose"))
    assert dataset.record()["train"] == {"images": 0}
    assert {int(batch.index.max()) for batch in PartlyLabelled(dataset, batch_size=7, data_seed=0).epoch(0)} == {6}
    store = Store(tmp_path / "store")
    outcome = execute(runs, store, Execution())
    assert not outcome.failures
    for run in runs:
        assert "test_top1" in outcome.records[run.digest].metrics()[-1]
        assert from_json(Run, to_json(run)) == run
        assert run.teacher is not None
        assert run.teacher.data == run.data
        assert "--data.unlabelled" in str(alone(run, store.root))
    for change, message in (
        ({"unlabelled_share": 0.5}, "images for the test only; write data.unlabelled=FOLDER data.unlabelled_share=1"),
        ({"per_class": 3}, "fraction, per_class and validation choose among images with labels"),
    ):
        with pytest.raises(SpecError, match=message):
            plan(asked | {"data": asked["data"] | change}, "cpu")
    with pytest.raises(SpecError, match="images for the test only"):
        plan({"net": "resnet8", "data": {"name": f"folder:{tests}", "size": 8}}, "cpu")
    with pytest.raises(SpecError, match="images for the test only"):
        load(from_json(Data, {"name": f"folder:{tests}", "size": 8}))
    described = describe(f"folder:{tests}")
    assert (described.train, described.test, described.classes) == (0, 10, 2)
    assert "no image for training" in described.source


class Stopped(Exception):
    pass


class Stop(Listener):
    def epoch_begins(self, epoch: int, *_: Any) -> None:
        if epoch == 1:
            raise Stopped


def test_the_laws_hold_with_them(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone equals cohort, and killed and continued equals undisturbed: the same bits."""
    runs = plan(request(folders, "kd,fitnet+kd"), "cpu")
    together = execute(runs, Store(tmp_path / "together"), Execution()).records
    alone = Store(tmp_path / "alone")
    with monkeypatch.context() as patch:
        patch.setattr("didact.execution.work.Reporter", lambda *_: Stop())
        with pytest.raises(Stopped):
            execute(runs[:1], alone, Execution())
    for run in runs:
        own = execute([run], alone, Execution()).records[run.digest].weights()[0]
        other = together[run.digest].weights()[0]
        assert all(torch.equal(values, other[name]) for name, values in own.items())
