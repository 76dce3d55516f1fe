"""Weights from files in a request: to Runs, back to the command, and what is refused with its path."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from didact import plan
from didact.request.command import alone, command
from didact.request.tokens import parse
from didact.runs.given import Given, Inputs, seen
from didact.spec import SpecError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    torch.save({"weight": torch.zeros(2)}, tmp_path / "net.pth")
    return tmp_path / "net.pth"


def asked(words: str) -> list[Any]:
    return plan(parse(shlex.split(words)))


def test_a_given_teacher_is_one_run_for_all_students_and_recipes(path: Path) -> None:
    start = f"--teacher.net resnet20 --teacher.weights {path}"
    runs = [*asked(f"--net resnet8,vgg8 --method kd,at {start}"), *asked(f"--net resnet8 --recipe paper --seeds 2 {start}")]
    assert len(runs) == 6
    teachers = {run.teacher.digest for run in runs}
    assert len(teachers) == 1
    teacher = runs[0].teacher
    assert (teacher.net, teacher.given, teacher.inputs) == ("resnet20", Given(sha256=seen(path)), None)


def test_what_belongs_to_the_weights(path: Path, tmp_path: Path) -> None:
    (tmp_path / "order.txt").write_text("3\n1\n\n2, 0\n")
    start = f"--net resnet8 --teacher.net resnet20 --teacher.weights {path}"
    for outputs in ("[3,1,2,0]", "3,1,2,0", str(tmp_path / "order.txt")):
        teacher = asked(f"{start} --teacher.outputs '{outputs}' --data.classes 4")[0].teacher
        assert teacher.given.outputs == (3, 1, 2, 0)
    teacher = asked(f"{start} --teacher.mean 0.5 --teacher.std '[0.25]' --teacher.size 16")[0].teacher
    assert teacher.inputs == Inputs(mean=(0.5,), std=(0.25,), size=16)
    teacher = asked(f"{start} --teacher.mean 0.5,0.4,0.25")[0].teacher
    assert teacher.inputs == Inputs(mean=(0.5, 0.4, 0.25))


def test_training_that_goes_on_from_weights(path: Path) -> None:
    file = Given(sha256=seen(path))
    student = asked(f"--net resnet8 --weights {path}")[0]
    assert student.start.file == file and student.start.part == "net"
    start = f"--net resnet8 --teacher.net resnet20 --teacher.weights {path} --teacher.start weights"
    first, second = (run.teacher for run in asked(f"{start} --teacher.method sftn,standard --teacher.size 16"))
    assert first.method.name() == "sftn" and second.method.name() == "ce"
    for teacher in (first, second):
        assert teacher.given is None and teacher.start.file == file and teacher.inputs == Inputs(size=16)


REFUSED = {
    "--teacher.seeds 3": r"teacher\.seeds: a teacher with weights from a file is not trained",
    "--teacher.seed 3": r"teacher\.seed: a teacher with weights from a file is not trained.*start=weights",
    "--teacher.method sftn": r"teacher\.method: a teacher with weights",
    "--teacher.recipe.epochs 3": r"teacher\.recipe: a teacher with weights",
    "--teacher.start standard": r"teacher\.start: the teacher begins with its weights, so write teacher\.start=weights",
    "--teacher.start mine": r"teacher\.start: write teacher\.start=standard .*weights.*found 'mine'",
    "--teacher.outputs 1,2,2": r"teacher\.outputs: 2 is there twice",
    "--teacher.outputs -1": r"teacher\.outputs\.0: expected 0 or more",
    "--teacher.outputs missing.txt": r"teacher\.outputs: expected numbers such as \[3,0,1\], or a text file",
    "--teacher.std 0": r"teacher\.std\.0: expected 1e-12 or more",
    "--teacher.mean red": r"teacher\.mean: expected",
    "--teacher.size 0": r"teacher\.size: expected 1 or more",
    "--route equal": r"route: a teacher with weights from a file has no route",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_go_together_is_refused(words: str, path: Path) -> None:
    with pytest.raises(SpecError, match=REFUSED[words]):
        asked(f"--net resnet8 --teacher.net resnet20 --teacher.weights {path} {words}")


def test_what_lacks_its_weights_or_its_file(path: Path, tmp_path: Path) -> None:
    start = "--net resnet8 --teacher.net resnet20"
    for name, value in (("outputs", "1"), ("mean", "0.5"), ("std", "0.5"), ("size", "16")):
        with pytest.raises(SpecError, match=rf"teacher\.{name}: belongs to .*add teacher\.weights=FILE"):
            asked(f"{start} --teacher.{name} {value}")
    with pytest.raises(SpecError, match=r"teacher\.start: .*add teacher\.weights=FILE"):
        asked(f"{start} --teacher.start weights")
    for option in ("--weights", "--teacher.net resnet20 --teacher.weights"):
        with pytest.raises(SpecError, match=r"weights: .*nothing\.pth does not exist"):
            asked(f"--net resnet8 {option} {tmp_path / 'nothing.pth'}")
        with pytest.raises(SpecError, match=r"weights: .* is a folder without model"):
            asked(f"--net resnet8 {option} {tmp_path}")
    with pytest.raises(SpecError, match="write one of them"):
        asked(f"{start} --teacher.method sftn --start branches --weights {path}")
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    with pytest.raises(SpecError, match=r"whole numbers, one a line; found 'cat'"):
        asked(f"{start} --teacher.weights {path} --teacher.outputs {tmp_path / 'names.txt'}")


@pytest.mark.parametrize(
    "words",
    [
        "--weights {path}",
        "--teacher resnet20 --teacher.weights {path}",
        "--teacher resnet20 --teacher.weights {path} --teacher.outputs [3,1,2,0] --teacher.size 16 --data.classes 4",
        "--teacher resnet20 --teacher.weights {path} --teacher.start weights --teacher.method sftn --teacher.mean [0.5]",
        "--teacher resnet20 --teacher.weights {path} --data cifar10 --data.validation 0.1 --seed 3",
        "--teacher resnet14 --teacher.method kd --teacher.teacher.net resnet20 --teacher.teacher.weights {path}",
    ],
)
def test_the_command_of_a_run_makes_the_same_run(words: str, path: Path) -> None:
    (run,) = asked(f"--net resnet8 {words.format(path=path)}")
    line = alone(run, Path("store"))
    assert line is not None
    (again,) = asked(line.removeprefix("didact train ").partition(" --store")[0])
    assert again.digest == run.digest
    if run.teacher is not None:
        line = command(run.teacher, ["vgg8"], Path("store"))
        assert line is not None
        assert asked(line.removeprefix("didact train ").partition(" --store")[0])[0].teacher.digest == run.teacher.digest


def test_without_the_file_there_is_no_command(path: Path) -> None:
    (run,) = asked(f"--net resnet8 --teacher resnet20 --teacher.weights {path}")
    path.unlink()
    assert alone(run, Path("store")) is None
    assert command(run.teacher, ["vgg8"], Path("store")) is None
