"""The files of an export are there completely or not at all, and what was left of a killed one is in nobody's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from didact.deploy.figures import description_of
from didact.deploy.forms.contract import find
from didact.runs.run import Run, Start
from didact.sharing.checks import check
from didact.sharing.exported import Exported, written
from didact.spec import RequestError, SpecError
from support.tiny import make

ABOUT = {"format": 1, "didact": "0", "digest": "1f0c"}

KILLED = """
import os, signal, sys
from pathlib import Path
from didact.sharing.exported import written

for number in range(2):  # the description is renamed first, then the file
    if not os.fork():
        left, rename = [number], os.replace

        def replace(source, target):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            rename(source, target)

        os.replace = replace
        written(Path(f"{number}.onnx"), b"model", dict(format=1, didact="0", digest="1f0c"), 9)
        os._exit(0)
    os.wait()
"""


def test_what_was_trained_in_eight_bits_leaves_in_the_forms_that_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form in ("EXECUTORCH", "TFLITE"):
        monkeypatch.setenv(f"DIDACT_{form}_PYTHON", sys.executable)
    floats = make("ce")
    fine = replace(floats, recipe=replace(floats.recipe, bits=8))
    for to, suffix in (("onnx", ".onnx"), ("pt2", ".pt2"), ("executorch", ".pte")):
        monkeypatch.setattr(type(find(to)), "check_installed", lambda form, bits: None)
        assert check(fine, tmp_path / f"net{suffix}", to, 8, None) == 0, "nothing is calibrated"
    said = r"to: .* trained in 8 bits, which tflite cannot keep as they are; write --to onnx or pt2 or executorch"
    with pytest.raises(SpecError, match=f"{said}$"):
        check(fine, tmp_path / "net.tflite", "tflite", 8, None)
    begun = replace(fine, start=Start(run=floats))
    with pytest.raises(
        SpecError, match=f"or quantise the run that it began with: didact export {floats.digest} --to tflite"
    ):
        check(begun, tmp_path / "net.tflite", "tflite", 8, None)


def allowed(path: Path) -> Run:
    run = make("ce")
    check(run, path, "pt2" if path.suffix == ".pt2" else "onnx", 32, None)
    return run


def test_both_files_are_written(tmp_path: Path) -> None:
    done = written(tmp_path / "net.pt2", b"model", ABOUT, 9)
    assert done.path.read_bytes() == b"model" and done.size == 5
    assert json.loads(done.beside.read_text())["bytes"] == 5
    with pytest.raises(RequestError, match="exists; name another, or remove it"):
        allowed(done.path)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_killed_export_leaves_no_file_and_blocks_no_other(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=True, timeout=200)
    assert [path.name for path in sorted(tmp_path.iterdir()) if not path.name.startswith(".")] == ["1.json"]
    for number in range(2):
        allowed(tmp_path / f"{number}.onnx")
        written(tmp_path / f"{number}.onnx", b"again", ABOUT, 9)
        assert json.loads(description_of(tmp_path / f"{number}.onnx").read_text())["bytes"] == 5


def test_a_loss_of_accuracy_is_said() -> None:
    def told(file: float, tested: int = 1000, used: int = 512) -> str | None:
        accuracy = {"file": file, "float32": 70.0, "record": 70.0, "test_images": tested}
        calibration = {"training_images": used, "of": 2000, "seed": 0}
        about = {"digest": "1f0c", "bits": 8, "accuracy": accuracy, "calibration": calibration}
        return Exported(Path("net.onnx"), about, 1, 4).warning

    assert told(69.5) is None and told(69.4, tested=167) is None, "one image more"
    assert "8 bits lose 0.60 points" in str(told(69.4)) and "--start 1f0c --recipe.bits 8" in str(told(69.4))
    assert "on more images" in str(told(69.4)) and "on more images" not in str(told(69.4, used=2000))


def test_what_a_killed_export_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Temporary files of exports go when they are old; what is young, or of another program, stays."""
    names = [".old.onnx.7.tmp", ".old.pte.7.tmp", ".net.json.7.tmp", ".young.onnx.7.tmp", ".other.json.7.tmp", ".x.7.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        if "young" not in name:
            os.utime(tmp_path / name, (0, 0))
    written(tmp_path / "net.onnx", b"model", ABOUT, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[3:], "net.json", "net.onnx"])
