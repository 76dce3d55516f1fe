"""Event files of TensorBoard, read back by TensorBoard itself."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from didact.cli.main import main
from didact.spec import RequestError, installation
from didact.track.choice import trackers
from support.followed import FIRST, GOES_ON, INTERRUPTED, SECOND, followed

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
)


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = accumulator.EventAccumulator(str(folder), purge_orphaned_data=True)
    events.Reload()
    return {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_scalars_of_every_run(tmp_path: Path) -> None:
    (tracker,) = trackers([f"tensorboard:{tmp_path / 'logs'}"], tmp_path).values()
    assert followed(tracker) == []
    first = read(tmp_path / "logs" / f"resnet8.kd.s0.{FIRST.digest}")
    assert first["loss"] == [(1, 1.0), (2, 0.5)] and first["test_top1"] == [(2, 61.5)]
    assert first["terms/kd"] == [(1, 0.25), (2, 0.25)] and "terms/ce" not in first
    assert read(tmp_path / "logs" / f"resnet8.kd.s1.{SECOND.digest}")["loss"] == [(1, 1.0)]


def test_a_run_that_goes_on_has_no_epoch_twice(tmp_path: Path) -> None:
    for events in (INTERRUPTED, INTERRUPTED, GOES_ON):
        (tracker,) = trackers(["tensorboard"], tmp_path).values()
        assert followed(tracker, events) == []
    assert read(tmp_path / "tensorboard" / f"resnet8.kd.s0.{FIRST.digest}")["loss"] == [(1, 1.0), (2, 0.5)]


def test_a_training_writes_what_its_record_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    words = [
        "train",
        "--net",
        "resnet8",
        "--data.per_class",
        "6",
        "--epochs",
        "2",
        "--precision",
        "fp32",
        "--store",
        str(store),
    ]
    assert main([*words, "--track", "tensorboard"]) == 0
    (folder,) = (store / "tensorboard").iterdir()
    rows = [json.loads(line) for line in (store / "runs" / folder.name / "metrics.jsonl").read_text().splitlines()]
    found = read(folder)
    for name in ("loss", "test_top1", "train_top1", "lr"):
        assert [(row["epoch"], pytest.approx(row[name], rel=1e-6)) for row in rows] == found[name]
    capsys.readouterr()


def test_without_the_library_the_extra_is_named_before_any_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] in ("mlflow", "wandb") or name == "torch.utils.tensorboard":
            raise ImportError(f"No module named {name!r}")
        return own(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    for name in ("tensorboard", "mlflow", "wandb"):
        words = ["train", "--net", "resnet8", "--data.per_class", "6", "--store", str(tmp_path / "store"), "--track", name]
        assert main(words) == 2
        assert installation(name) in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for where in ("file", "file/inner"):
        with pytest.raises(RequestError, match="nothing can be written"):
            trackers([f"tensorboard:{tmp_path / where}"], tmp_path)
