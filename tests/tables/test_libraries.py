"""Where a network can be cut, and a library's networks, as tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.spec import SpecError
from didact.tables.libraries import classifiers, cuts
from support import guests


def test_places_with_their_shapes_and_the_blocks_that_end_there() -> None:
    with guests.installed():
        found = {place["name"]: place for place in cuts("timm:plain_tiny").plain}  # type: ignore[index, call-overload]
        assert found["rows.1"]["feature"] == (8, 8, 8) and found["rows.1"]["block"] is None
        assert [place["feature"] for place in found.values() if place["block"]] == [(4, 16, 16), (8, 8, 8), (12, 4, 4)]
        table = cuts("timm:plain_tiny+cuts=rows.1", "cifar100").table
        assert [row[1] for row in table.rows if row[0] == "rows.1"] == ["1"]
        assert ("rows.1", "1", "8@8", "map", "", "") in table.rows
        assert ("rows.1", "1", "8@4", "map", "", "") in cuts("timm:plain_tiny+cuts=rows.1", "cifar100", 16).table.rows


def test_a_network_that_is_written_in_blocks_is_cut_between_them() -> None:
    rows = cuts("resnet8").table.rows
    assert [(row[1], row[2]) for row in rows] == [("1", "16@32"), ("2", "32@16"), ("3", "64@8")]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with guests.installed():
        assert main(["list", "cuts", "--net", "timm:plain_tiny", "--json"]) == 0
        assert {"name", "feature", "block"} <= json.loads(capsys.readouterr().out)[0].keys()
        assert main(["list", "nets", "--library", "timm"]) == 0
        assert "timm:plain_tiny" in capsys.readouterr().out
        assert classifiers("timm").plain[0] == {"net": "timm:plain_tiny"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("cuts", "net: say whose places are listed"),
        ("cuts --net resnet8 --teacher resnet8", "--teacher: is for 'didact list methods'"),
        ("cuts --net timm:plain_tiny --library timm", "--library: is for 'didact list nets'"),
        ("nets --library tim", "no library 'tim'; known: timm, torchvision, hf, pytorchcv"),
        ("nets --net timm:plain_tiny", "--net: is for 'didact list methods' and 'didact list cuts'"),
        ("methods --size 32", "--size: is for 'didact list cuts'; 'didact list methods' does not take it"),
    ],
)
def test_what_does_not_go_together_is_refused(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with guests.installed():
        assert main(["list", *words.split()]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_missing_library_is_named() -> None:
    with guests.missing(), pytest.raises(SpecError, match="pytorchcv is not installed"):
        classifiers("pytorchcv")


def test_a_network_for_another_size_is_refused_with_how_to_give_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_one_size.py").write_text(
        "from torch import nn\n\n\ndef build(classes, channels):\n"
        "    return nn.Sequential(nn.Conv2d(channels, 4, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 24 * 24, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpecError, match=r"cannot take 2 images .* no size is given, so images are 32x32: write --size N"):
        cuts("of_one_size:build")
    assert [row[0] for row in cuts("of_one_size:build", size=48).table.rows][:2] == ["0", "1"]
