"""``didact predict``: a file's answers for images, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

import onnx

from didact.cli.main import main
from didact.deploy.onnx_file import described, logits_of, model_of
from support.training import network

CLASSES = [f"kind {number}" for number in range(6)]
ABOUT = {"format": 1, "image": [1, 16, 16], "resize": [18, 18], "classes": CLASSES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that answer, and that do not, and images."""
    where = tmp_path_factory.mktemp("files")
    model = model_of(network("resnet8", 6).eval().requires_grad_(False), (1, 16, 16), (0.5,), (0.25,))
    (where / "net.onnx").write_bytes(described(model, ABOUT))
    (where / "later.onnx").write_bytes(described(model, ABOUT | {"format": 2, "didact": "9.0"}))
    (where / "earlier.onnx").write_bytes(described(model, ABOUT | {"format": 0}))
    (where / "names.onnx").write_bytes(described(model, ABOUT | {"classes": CLASSES[:5]}))
    ahead = onnx.load_from_string(model)
    ahead.opset_import[0].version = 99
    onnx.save(ahead, where / "opset.onnx")
    (where / "foreign.onnx").write_bytes(model)
    (where / "cut.onnx").write_bytes(model[:500])
    noise = torch.randint(0, 256, (18, 18), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    Image.fromarray(noise).save(where / "grey.png")
    Image.new("RGBA", (50, 40), "red").save(where / "large.png")
    (where / "changed.onnx").write_bytes(described(model, ABOUT))
    (where / "changed.json").write_text('{"sha256": "of another file"}')
    (where / "net.pte").write_bytes(b"another form")
    (where / "net.json").write_text("{}")
    (where / "net.pte.json").write_text("{}")
    (where / "text.png").write_text("no image")
    (where / "half.png").write_bytes((where / "large.png").read_bytes()[:60])
    return where


def test_it_answers_by_the_files_own_description(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(folder / name) for name in ("grey.png", "large.png")]
    assert main(["predict", str(folder / "net.onnx"), *paths, "--top", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in found] == paths
    pixels = torch.tensor(list(Image.open(paths[0]).tobytes())).reshape(1, 1, 18, 18)[:, :, 1:17, 1:17] / 255
    shares = logits_of((folder / "net.onnx").read_bytes(), [pixels]).softmax(1)[0]
    wanted = shares.topk(3)
    assert [row["name"] for row in found[0]["classes"]] == [CLASSES[at] for at in wanted.indices]
    assert [row["probability"] for row in found[0]["classes"]] == pytest.approx(wanted.values.tolist(), abs=1e-5)
    assert main(["predict", str(folder / "net.onnx"), paths[1], "--top", "99", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.strip().splitlines()) == 1 + len(CLASSES)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["net.onnx"], "images: name at least one image"),
        (["nothing.onnx", "grey.png"], "nothing.onnx is no file; 'didact export RUN -o FILE.onnx' makes one"),
        (["text.png", "grey.png"], "it is no ONNX file, or only a part of one; 'didact export RUN -o FILE.onnx' makes one"),
        (["net.json", "grey.png"], "net.json is the description of net.onnx; name that file"),
        (["net.pte.json", "grey.png"], "net.pte.json is the description of net.pte; name that file"),
        (["text.png", "grey.png"], "text.png cannot be read by ONNX Runtime"),
        (["cut.onnx", "grey.png"], "cut.onnx cannot be read by ONNX Runtime"),
        (["foreign.onnx", "grey.png"], "foreign.onnx has no description of this version of didact"),
        (
            ["later.onnx", "grey.png"],
            "later.onnx is of didact 9.0, whose files this didact does not read yet; update didact",
        ),
        (["changed.onnx", "grey.png"], "changed.onnx is damaged, or not the file that changed.json next to it is of"),
        (["net.pte", "grey.png"], "net.pte is a file of executorch, and answers come from ONNX files; 'didact export RUN"),
        (["earlier.onnx", "grey.png"], "earlier.onnx has no description of this version of didact"),
        (["opset.onnx", "grey.png"], "update onnxruntime, or export it here"),
        (["names.onnx", "grey.png"], "names.onnx names 5 classes and has 6 logits; export it again"),
        (["net.onnx", "grey.png", "text.png"], "text.png is no image; name an image"),
        (["net.onnx", "nothing.png"], "nothing.png is no file; name an image"),
        (["net.onnx", "."], "is no file; name an image in that folder, or all of them"),
        (["net.onnx", "grey.png", "half.png"], "half.png does not decode: "),
        ([".", "grey.png"], "is no folder of didact share; name a file of didact export in it, or a run: "),
    ],
)
def test_what_is_refused(asked: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *(str(folder / name) for name in asked)]) == 2
    shown = capsys.readouterr()
    assert said in shown.err and not shown.out


def test_an_address_is_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(folder / "net.onnx"), "https://example.org/cat.png"]) == 2
    assert "images: https://example.org/cat.png is an address; files are read on this machine" in capsys.readouterr().err
