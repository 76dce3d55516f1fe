"""A teacher from a file on the command line, from its warning to students, and runs that leave by ``didact share``."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from didact.cli.main import main
from didact.data import Data
from didact.files import hub
from didact.files import packed as files
from didact.request.command import on_data
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.sharing.about import _images, command
from didact.spec import from_json
from support import elsewhere, pictures
from support.tiny import make

SMALL = ["--net", "resnet8", "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16", "--test-every", "9"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned nothing, as others would save it."""
    net = elsewhere.ResNet((16, 16, 32, 64), (1, 1, 1), 10, channels=1)
    where = tmp_path_factory.mktemp("file") / "net.pth.tar"
    torch.save({"state_dict": {f"module.{key}": value for key, value in net.state_dict().items()}, "epoch": 9}, where)
    return where


@pytest.fixture(scope="module")
def store(path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("store"))
    teacher = ["--teacher.net", "resnet8", "--teacher.weights", str(path)]
    assert main(["train", *SMALL, *teacher, "--method", "kd", "--store", where]) == 0
    return where


def test_a_teacher_from_a_file(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = ["--teacher.net", "resnet8", "--teacher.weights", str(path), "--method", "kd"]
    assert main(["train", *SMALL, *teacher, "--store", str(tmp_path / "store")]) == 0
    shown = capsys.readouterr()
    said = shown.err.splitlines()
    assert "% of the test images of digits 6 per class are right" in said[0]
    assert "WARNING: that cannot be told from chance (10.41 %)" in said[1]  # 83 of 797 images show the most frequent digit
    assert "the teacher" in shown.out and "given" in shown.out


def test_a_wrong_file_is_refused_before_anything_is_made(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = tmp_path / "store"
    teacher = ["--teacher.net", "resnet14", "--teacher.weights", str(path), "--method", "kd"]
    assert main(["train", *SMALL, *teacher, "--store", str(where)]) == 2
    assert "are not those of resnet14; missing: layer1.1.conv1.weight" in capsys.readouterr().err
    assert not list(where.glob("runs/*"))


def test_a_run_leaves_and_starts_another(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "net"
    capsys.readouterr()
    assert main(["share", "resnet8.kd", "-o", str(out), "--store", store]) == 0
    said = capsys.readouterr().out
    line = f"didact train --net resnet8 --teacher.weights {out} --data digits --data.per_class 6"
    assert "packed resnet8.kd.s0" in said and f"a student learns from it: {line}\n" in said
    assert f"$ {line.replace(str(out), 'FOLDER')}\n" in (out / "README.md").read_text()
    start = ["--weights", str(out), "--data.classes", "4", *SMALL[2:], "--store", str(tmp_path / "store")]
    assert main(["train", *start]) == 0
    shown = capsys.readouterr()
    assert "its last layer has 10 outputs; resnet8 gets a fresh one for 4 classes" in shown.err
    assert "from weights" in shown.out


def test_a_folder_of_images_is_named_by_its_place_here_and_by_a_placeholder_elsewhere(tmp_path: Path) -> None:
    pictures.classes(tmp_path / "my flowers" / "train", {"daisy": 6, "rose": 6}, height=24, width=24)
    folder = f"folder:{tmp_path / 'my flowers'}"
    run = replace(make("ce"), data=from_json(Data, {"name": folder, "size": 16}))
    start = "didact train --net resnet8 --teacher.weights net --data"
    assert command(run, "net") == f"{start} '{folder}' --data.size 16"
    assert command(run, "net", here=False) == f"{start} folder:PATH --data.size 16"


def test_a_student_learns_on_the_same_part_of_the_data() -> None:
    run = replace(make("ce"), data=from_json(Data, {"name": "cifar100", "per_class": 50, "size": 16, "erase": 0.25}))
    words = "--data cifar100 --data.per_class 50 --data.size 16 --data.erase 0.25"
    assert all(set(words.split()) <= set(command(run, "net", here=here).split()) for here in (True, False))
    planned = plan(parse(shlex.split(command(run, "net").replace(" --teacher.weights net", ""))[2:]))
    assert planned[0].data == run.data


def test_images_without_labels_are_named_by_their_place_here_alone(tmp_path: Path) -> None:
    pictures.classes(tmp_path / "aside", {"any": 6}, height=24, width=24)
    aside = str(tmp_path / "aside")
    images = from_json(Data, {"name": "cifar100", "unlabelled": aside, "unlabelled_share": 0.25})
    assert on_data(_images(images, here=True)) == f"--data cifar100 --data.unlabelled {aside} --data.unlabelled_share 0.25"
    assert on_data(_images(images, here=False)) == "--data cifar100 --data.unlabelled PATH --data.unlabelled_share 0.25"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["share", "resnet8.kd"], "output: say where the network is packed"),
        (["share", "resnet8.kd", "-o", "x", "--private"], "private: is for a place on the hub"),
        (["share", "nothing", "-o", "x"], "fits no finished run"),
        (["share", "resnet8.", "-o", "x"], "fits 2 runs"),
        (["share", "resnet8.kd", "-o", "."], "output: . exists"),
        (["share", "resnet8.kd", "-o", "pk2.zip"], "output: a new folder, or a file that ends in .tar, found 'pk2.zip'"),
        (["share", "resnet8.kd", "-o", "net.PT"], "output: a new folder, or a file that ends in .tar, found 'net.PT'"),
    ],
)
def test_what_is_refused(asked: list[str], said: str, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main([*asked, "--store", store]) == 2
    assert said in capsys.readouterr().err


def test_a_full_disk_is_a_failure(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, f"cannot write {path}: No space left on device")

    monkeypatch.setattr(files, "write", full)
    capsys.readouterr()
    assert main(["share", "resnet8.kd", "-o", str(tmp_path / "net.tar"), "--store", store]) == 1
    assert "didact: output: cannot write" in capsys.readouterr().err


def test_the_hub_gets_what_is_packed(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[tuple[list[str], str, bool]] = []

    def push(folder: Path, name: str, *, private: bool) -> str:
        sent.append((sorted(path.name for path in folder.iterdir()), name, private))
        return f"https://hub.example/{name}"

    monkeypatch.setattr(hub, "push", push)
    capsys.readouterr()
    assert main(["share", "resnet8.kd", "--push", "me/net", "--private", "--store", store]) == 0
    assert "https://hub.example/me/net" in capsys.readouterr().out
    assert sent == [(["README.md", "didact.json", "model.safetensors"], "me/net", True)]


def test_a_search_of_a_given_teacher_proposes_a_generic_one(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["search", "resnet8.given", "--max-parameters", "100000", "--store", store]) == 2
    said = capsys.readouterr().err
    assert "is no generic teacher" in said
    assert main(["look", "resnet8.kd", "--store", store]) == 0
    assert main(["show", "resnet8.given", "--store", store]) == 0
    assert main(["compare", "--store", store]) == 0
    shown = capsys.readouterr().out
    assert "given" in shown and "not trained" not in shown
