"""``didact bench``: what is measured of exported files, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

import onnx

from didact.cli.main import main
from didact.deploy import figures
from didact.deploy.engine import quantised
from didact.deploy.onnx_file import model_of
from support.training import network

QUICK = ["--passes", "20", "--warm-up", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("files")
    model = model_of(network("resnet8", 6).eval().requires_grad_(False), (1, 16, 16), (0.5,), (0.25,))
    (where / "net.onnx").write_bytes(model)
    (where / "net8.onnx").write_bytes(quantised(model, [torch.rand(16, 1, 16, 16)]))
    (where / "cut.onnx").write_bytes(model[:500])
    fixed = onnx.load_from_string(model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(fixed, where / "one.onnx")
    free = onnx.load_from_string(model)
    for size in (2, 3):
        free.graph.input[0].type.tensor_type.shape.dim[size].dim_param = "s"
    onnx.save(free, where / "free.onnx")
    later = onnx.load_from_string(model)
    later.opset_import[0].version = 99
    onnx.save(later, where / "later.onnx")
    (where / "net.pt").write_text("no form")
    (where / "changed.onnx").write_bytes((where / "net.onnx").read_bytes())
    (where / "changed.json").write_text('{"sha256": "of another file"}')
    return where


def test_files_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["net.onnx", "net8.onnx", "one.onnx"]
    assert main(["bench", *(str(folder / name) for name in names), "--batch", "1,4", "--json", *QUICK]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(one["file"]).name for one in found] == names
    whole, quantised, one = found
    for each in found:
        assert each["bytes"] == Path(each["file"]).stat().st_size and each["image"] == [1, 16, 16]
        assert re.match(r"onnxruntime [\d.]+", each["runtime"]) and each["threads"] == 1 and each["warm_up"] == 1
        for latency in each["latency"]:
            assert 0 < latency["median"] <= latency["p95"] and latency["passes"] == 20
    assert [latency["batch"] for latency in whole["latency"]] == [1, 4]
    assert [latency["batch"] for latency in one["latency"]] == [1], "it takes one image only"
    # the widest unit of resnet8: three maps of 16 x 16 x 16
    assert whole["activations"] == 4 * 3 * 16**3
    assert quantised["activations"] == 3 * 16**3


def test_the_table_and_what_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(folder / "free.onnx"), "--image", "1x16x16", "--keep", *QUICK]) == 0
    said = capsys.readouterr().out
    for word in ("p95, batch 32", "1 thread, 20 passes after a warm-up of 1", "kept: ", "computed from the file's graph"):
        assert word in said
    found = figures.kept(folder / "free.onnx")
    assert found is not None and [one["batch"] for one in found["latency"]] == [1, 32]
    figures.place(folder / "net.onnx").write_bytes(figures.place(folder / "free.onnx").read_bytes())
    assert figures.kept(folder / "net.onnx") is None, "figures of another file"
    figures.place(folder / "net.onnx").write_text("{")
    assert figures.kept(folder / "net.onnx") is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([], "files: name at least one file"),
        (["net.pt"], "files: names that end in .onnx"),
        (["nothing.onnx"], "nothing.onnx is no file"),
        (["net.onnx", "net.onnx"], "files: each once"),
        (["cut.onnx"], "cut.onnx cannot be opened: "),
        (
            ["net.onnx", "changed.onnx", "--keep"],
            "changed.onnx is damaged, or not the file that changed.json next to it is of",
        ),
        (["later.onnx"], "; update the runtime, or export the file for this version of it"),
        (["free.onnx"], "leaves the size of images free"),
        (["net.onnx", "--image", "3x16x16"], "takes images of [1, 16, 16], found [3, 16, 16]; leave --image out"),
        (["net.onnx", "--image", "16x16"], "image: channels x height x width"),
        (["net.onnx", "--batch", "0"], "batch"),
        (["net.onnx", "--batch", "one"], "batch"),
        (["net.onnx", "--passes", "19"], "passes: at least 20"),
        (["net.onnx", "--threads", "0"], "threads"),
    ],
)
def test_what_is_refused(asked: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *(str(folder / word) if "." in word else word for word in asked)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and not shown.out
