"""``--export`` of train, study and search: which students leave, where to, and what is refused before any training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from didact.cli import exports, search
from didact.cli.exports import Exports, asked, front
from didact.cli.main import main
from didact.data import Data
from didact.engine.recipe import Recipe
from didact.methods.kd import KD
from didact.nets.supernet import SPACES
from didact.runs.run import Run
from didact.spec import SpecError
from didact.store.store import Store
from didact.teaching.gtn import GTN

SMALL = ["--net", "resnet8", "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16", "--test-every", "9"]
VALIDATED = Data(name="digits", per_class=20, validation=0.5)


class Finished:
    """A store whose Records hold the validation accuracies given by digest."""

    root = Path("s")

    def __init__(self, accuracies: dict[Run, float]) -> None:
        self.accuracies = {run.digest: (run, accuracy) for run, accuracy in accuracies.items()}

    def get(self, run: Run) -> Any:
        found = self.accuracies.get(run.digest)
        return None if found is None else Row(found[1])

    def runs(self) -> Any:
        return iter([(run, Row(accuracy)) for run, accuracy in self.accuracies.values()])


class Row:
    def __init__(self, accuracy: float) -> None:
        self.accuracy = accuracy

    def final(self) -> dict[str, float]:
        return {"test_top1": 100 - self.accuracy, "validation_top1": self.accuracy}


def test_a_student_leaves_after_its_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    line = [
        "train",
        *SMALL,
        "--recipe.bits",
        "8",
        "--store",
        str(tmp_path / "s"),
        "--export",
        "onnx",
        "--folder",
        str(tmp_path),
    ]
    assert main(line) == 0
    (path,) = tmp_path.glob("*.8bit.onnx")
    said = capsys.readouterr().out
    assert f"in 8 bits: {path}" in said and "integers and ranges are those of its training" in said
    assert json.loads(path.with_suffix(".json").read_text())["bits"] == 8
    assert main([*line, "--json"]) == 0
    again = capsys.readouterr()
    assert json.loads(again.out) and f"{path} is there already" in again.err
    path.write_bytes(b"something else")
    assert main(line) == 2
    assert f"output: {path} exists; name another, or remove it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--bits", "8"], "bits: is for an export; write --export onnx, too"),
        (["--folder", "here"], "folder: is for an export"),
        (["--weight-scales", "layer"], "weight-scales: is for an export"),
        (["--export", "onnx", "--weight-scales", "layer"], "weight-scales: is for 8 bits"),
        (
            ["--export", "onnx", "--weight-scales", "layer", "--recipe.bits", "8"],
            "was trained in 8 bits with the scales of its recipe, 'channel'",
        ),
        (["--export", "onnx", "--plan"], "export: --plan trains nothing"),
        (["--export", "onnx", "--bits", "16"], "bits: 32 (float) or 8 (quantised), found 16"),
        (["--export", "onnx", "--bits", "32", "--recipe.bits", "8"], "was trained in 8 bits; write --bits 8"),
    ],
)
def test_what_is_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert main(["train", *SMALL, "--store", str(tmp_path / "s"), *more]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "s").exists()


def test_a_study_without_validation_images_chooses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "gtn", "--scale", "digits", "--store", str(tmp_path / "s"), "--export", "onnx"]) == 2
    assert "decided on validation images" in capsys.readouterr().err


def test_the_front_of_a_study() -> None:
    """By validation accuracy, not by test accuracy; eight bits count a quarter."""
    nets = ("basic-4-1x4-1x8", "basic-4-1x4-1x16", "basic-8-1x8-1x16", "resnet8")
    runs = [Run(net=net, data=VALIDATED, seed=seed) for net in nets for seed in range(2)]
    accuracies = dict(zip(runs, (50, 40, 45, 60, 55, 58, 59, 70), strict=True))
    assert front(Finished(accuracies), runs) == [runs[0], runs[3], runs[7]]  # type: ignore[arg-type]
    small = Run(net="resnet8", data=VALIDATED, recipe=Recipe(bits=8))
    unfinished = Run(net="vgg8", data=VALIDATED)
    chosen = front(Finished({**accuracies, small: 65}), [*runs, small, unfinished])  # type: ignore[arg-type]
    assert chosen == [runs[0], runs[3], small, runs[7]]


def test_the_front_of_a_search(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All that were distilled from the teacher leave; the command for the others is said."""
    teacher = Run(net="resnet14", data=VALIDATED, method=GTN(pool=SPACES["tiny"]))
    other = Run(net="resnet14", data=VALIDATED, method=GTN(pool=SPACES["tiny"]), seed=1)
    names = [SPACES["tiny"].smallest, SPACES["tiny"].largest]
    own = [Run(net=names[0], data=VALIDATED, method=KD(), teacher=teacher, seed=seed) for seed in range(2)]
    foreign = Run(net=names[1], data=VALIDATED, method=KD(), teacher=other)
    left: list[Run] = []
    monkeypatch.setattr(Exports, "check", lambda self, store, runs: None)
    monkeypatch.setattr(Exports, "write", lambda self, store, runs, to_stderr: left.extend(runs) or 0)
    store: Any = Finished(dict.fromkeys([*own, foreign], 50.0))
    assert search._leave(store, teacher, names, Exports("onnx", 8, Path()), "text") == 0
    assert left == own
    said = capsys.readouterr().out
    assert f"Not distilled from {teacher.label} yet, so not exported: {names[1]}" in said
    assert "didact train" in said and "--export onnx --bits 8" in said


def test_files_are_named_by_their_form(tmp_path: Path) -> None:
    run, store = Run(net="resnet8"), Store(tmp_path)
    names = {to: Exports(to, None, tmp_path)._path(store, run).name for to in ("onnx", "pt2", "executorch")}
    assert [name.rpartition(".")[2] for name in names.values()] == ["onnx", "pt2", "pte"]
    assert all(name.startswith(f"resnet8.ce.s0.{run.digest}.32bit") for name in names.values())


def test_nothing_is_asked() -> None:
    assert asked(None, None, None) is None
    with pytest.raises(SpecError, match="does not say which runs"):
        exports.students(object())  # type: ignore[arg-type]
