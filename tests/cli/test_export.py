"""``didact export`` from a trained run to a file that others serve, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

from didact.cli.main import main
from didact.data import Data, load
from didact.sharing import exported
from didact.spec import installation

SMALL = ["--net", "resnet8", "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16", "--test-every", "9"]
PAGE = Path(__file__).parents[2] / "docs/export.md"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("store"))
    assert main(["train", *SMALL, "--store", where]) == 0
    return where


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_answers_for_an_image_as_its_file_does(store: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "resnet8", "-o", "net.onnx", "--store", store]) == 0
    pixels = torch.randint(0, 256, (16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    Image.fromarray(pixels).save("noise.png")
    answers = []
    for network in ("net.onnx", "resnet8"):
        capsys.readouterr()
        assert main(["predict", network, "noise.png", "--top", "10", "--json", "--store", store]) == 0
        answers.append(json.loads(capsys.readouterr().out)[0]["classes"])
    of_file, of_run = ({one["name"]: one["probability"] for one in classes} for classes in answers)
    assert of_run == pytest.approx(of_file, abs=1e-4) and len(of_run) == 10
    assert main(["predict", "vgg8", "noise.png", "--store", store]) == 2
    assert "vgg8" in capsys.readouterr().err


def test_a_file_in_eight_bits(store: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["export", "resnet8", "--to", "onnx", "--bits", "8", "--store", store]) == 0
    said = capsys.readouterr().out
    name = next(here.glob("*.onnx")).name
    assert re.fullmatch(r"resnet8\.ce\.s0\.[0-9a-f]+\.8bit\.onnx", name)
    assert f"in 8 bits: {name}" in said and "kB in 32 bits" in said
    assert "calibrated on 60 training images, seed 0" in said
    assert re.search(r"797 images: [\d.]+ % by this file, [\d.]+ % by torch in float32, [\d.]+ % in the Record", said)


def test_the_example_of_the_page_serves_it(store: str, here: Path) -> None:
    assert main(["export", "resnet8", "-o", "student.onnx", "--store", store]) == 0
    image = load(Data(name="digits")).test.images[3]
    np.save("image.npy", image.permute(1, 2, 0).numpy())
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None and len([line for line in example[1].splitlines() if line]) <= 10
    assert "didact" not in re.findall(r"^(?:import|from) (\w+)", example[1], re.MULTILINE)
    # a process in which neither torch nor didact can be imported
    blocked = "import sys; sys.modules['torch'] = sys.modules['didact'] = None\n"
    command = [sys.executable, "-I", "-c", f"{blocked}{example[1]}\nassert logits.shape == (1, 10)"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in json.loads(Path("student.json").read_text())["classes"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["nothing"], "'nothing' fits no finished run"),
        (["resnet8", "--bits", "16"], "bits: 32 (float) or 8 (quantised), found 16"),
        (["resnet8", "--bits", "8.5"], "bits"),
        (["resnet8", "--to", "tfl"], "to: onnx, pt2, executorch, tflite, found 'tfl'; did you mean 'tflite'"),
        (["resnet8", "--to", "tflite"], "tflite runs in a Python of its own: python -m venv ENV; ENV/bin/pip install torch"),
        (["resnet8", "-o", "net.tflite"], "tflite runs in a Python of its own"),
        (["resnet8", "--to", "executorch", "--python", "nowhere"], "python: nowhere is no program"),
        (
            ["resnet8", "--python", "nowhere"],
            "python: onnx runs in this Python; leave --python out, or write --to executorch",
        ),
        (["resnet8", "--to", "pt2", "-o", "net.onnx"], "output: the name of a file that ends in .pt2, found 'net.onnx'"),
        (["resnet8", "--weight-scales", "layer"], "weight-scales: is for 8 bits; write --bits 8, or leave"),
        (
            ["resnet8", "--bits", "8", "--weight-scales", "chanel"],
            "weight-scales: channel or layer, found 'chanel'; did you mean",
        ),
        (
            ["resnet8", "--to", "tflite", "--bits", "8", "--weight-scales", "layer"],
            "weight-scales: tflite files have a scale for each output channel only; write --to onnx or pt2 or executorch",
        ),
        (["resnet8", "--float-ends"], "float-ends: is for runs in float that are written with --bits 8"),
        (
            ["resnet8", "-o", "folder.onnx"],
            "output: folder.onnx is a folder; name a file in it, such as folder.onnx/net.onnx",
        ),
        (["resnet8", "-o", "net.pt"], "output: the name of a file that ends in .onnx, found 'net.pt'"),
        (["resnet8", "-o", "there.onnx"], "output: there.onnx exists; name another, or remove it"),
        (["resnet8", "-o", "described.onnx"], "output: described.json exists"),
        (["resnet8", "-o", "there.onnx/net.onnx"], "output: nothing can be written in"),
        (["resnet8", "--calibration", "32"], "calibration: is for 8 bits"),
        (["resnet8", "--bits", "8", "--calibration", "15"], "15 training images are asked for; 8 bits need at least 16"),
        (["resnet8", "--bits", "8", "--calibration", "61"], "and digits 6 per class has 60"),
    ],
)
def test_what_is_refused(
    asked: list[str],
    said: str,
    store: str,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (here / "folder.onnx").mkdir()
    for name in ("there.onnx", "described.json"):
        (here / name).write_text("mine")
    monkeypatch.delenv("DIDACT_TFLITE_PYTHON", raising=False)
    capsys.readouterr()
    assert main(["export", *asked, "--store", store]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in here.iterdir()) == ["described.json", "folder.onnx", "there.onnx"]
    assert (here / "there.onnx").read_text() == "mine"


def test_a_disk_that_takes_nothing_is_a_failure(
    store: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(*given: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    def full(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device", "net.onnx")

    capsys.readouterr()
    for module, name, refuse, said in (
        (tempfile, "TemporaryFile", denied, f"output: nothing can be written in {here}: Permission denied; name another"),
        (torch.onnx, "export", full, "didact: No space left on device: net.onnx"),
        (exported, "write", full, "output: No space left on device: net.onnx"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, refuse)
            assert main(["export", "resnet8", "-o", "net.onnx", "--store", store]) == 1
        assert said in capsys.readouterr().err and not list(here.iterdir())


def test_what_is_not_installed_is_named(
    store: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("didact.deploy.engine.find_spec", lambda name: None)
    assert main(["export", "resnet8", "--store", store]) == 2
    said = capsys.readouterr().err
    assert "to: onnx needs onnx, onnxscript, onnxruntime, which is not installed: " + installation("onnx") in said
