"""``didact predict`` of what ``didact share`` has packed: the run's own answers, without the store and its images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from didact.cli.main import main
from support import pictures

TRAIN = [
    "train",
    "--net",
    "resnet8",
    "--data.size",
    "16",
    "--epochs",
    "1",
    "--recipe.batch_size",
    "8",
    "--precision",
    "fp32",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run on a folder of images, the run as a folder and as a tar, and an image."""
    where = tmp_path_factory.mktemp("place")
    noise = torch.randint(0, 256, (40, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    Image.fromarray(noise).save(where / "noise.png")
    images = where / "images"
    for part in ("train", "val"):
        pictures.classes(images / part, dict.fromkeys(("cat", "dog", "owl"), 6), height=20, width=20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIDACT_DATA", str(where / "cache"))
        patch.chdir(where)
        assert main([*TRAIN, "--data", f"folder:{images}", "--store", "store"]) == 0
        for packed in ("net", "net.tar"):
            assert main(["share", "resnet8", "-o", packed, "--store", "store"]) == 0
    return where


def answers(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["predict", *arguments, "noise.png", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("DIDACT_DATA", str(place / "cache"))


@pytest.mark.parametrize("packed", ["net", "net.tar"])
def test_it_answers_as_the_run_does(packed: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = answers(["resnet8", "--store", "store"], capsys)
    assert answers([packed, "--store", "nowhere"], capsys) == own
    assert len(own[0]["classes"]) == 3  # type: ignore[arg-type]


def test_a_folder_of_an_earlier_version(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names no classes: their numbers."""
    named = answers(["net"], capsys)[0]["classes"]
    known = json.loads((place / "net" / "didact.json").read_text())
    names = known.pop("names")
    (place / "old").mkdir()
    (place / "old" / "didact.json").write_text(json.dumps(known))
    (place / "old" / "model.safetensors").write_bytes((place / "net" / "model.safetensors").read_bytes())
    found = answers(["old"], capsys)[0]["classes"]
    assert [names[int(one["name"])] for one in found] == [one["name"] for one in named]  # type: ignore[union-attr,index]


@pytest.mark.parametrize(
    "changed",
    [{"names": ["a"]}, {"names": [1, 2, 3]}, {"names": "abc"}, {"resize": [16]}, {"resize": [8, 16]}, {"resize": "1616"}],
)
def test_a_damaged_description(changed: dict[str, object], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = json.loads((place / "net" / "didact.json").read_text())
    (place / "bad").mkdir(exist_ok=True)
    (place / "bad" / "didact.json").write_text(json.dumps(known | changed))
    assert main(["predict", "bad", "noise.png"]) == 2
    assert "its didact.json is damaged" in capsys.readouterr().err


def test_code_is_named_by_the_user_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = json.loads((place / "net" / "didact.json").read_text())
    (place / "own").mkdir()
    (place / "own" / "didact.json").write_text(json.dumps(known | {"net": "mine:Net"}))
    assert main(["predict", "own", "noise.png"]) == 2
    assert "holds the network 'mine:Net'; where you trust that code, name it: --net, in" in capsys.readouterr().err
    assert main(["predict", "resnet8", "noise.png", "--store", "store", "--net", "resnet8"]) == 2
    assert "net: is for a folder or a tar from didact share; leave it out" in capsys.readouterr().err
