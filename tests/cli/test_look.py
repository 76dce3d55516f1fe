"""``didact look``: what it prints, as text and as JSON, what it draws, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from didact.cli.main import main

SMALL = ["--net", "resnet8", "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16", "--test-every", "9"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("store"))
    assert main(["train", *SMALL, "--teacher.net", "resnet8", "--method", "kd", "--store", where]) == 0
    return where


def test_look(store: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    capsys.readouterr()
    assert main(["look", "resnet8.kd", "--store", store]) == 0
    shown = capsys.readouterr().out
    for word in ("student resnet8.kd.s0", "and teacher", "797 test images", "KL(teacher || student)", "ECE", "agreement"):
        assert word in shown
    assert "accuracy by class" in shown and "most confused" in shown and "CKA" not in shown

    asked = ["look", "resnet8.kd", "--store", store, "--images", "32", "--picture", str(tmp_path / "who.png")]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "debiased linear CKA, 32 images" in shown and "block 3" in shown and "pooled" in shown
    for what in ("layers", "reliability", "disagreement"):
        assert (tmp_path / f"who-{what}.png").exists() and f"who-{what}.png" in shown


def test_look_for_programs(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    asked = ["look", "resnet8.kd", "--store", store, "--layers", "--kind", "rbf", "--biased", "--images", "24", "--json"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["own"]["run"] == "resnet8.kd.s0" and found["images"] == 797 and found["pictures"] == []
    assert (found["cka"]["kind"], found["cka"]["unbiased"], found["cka"]["images"]) == ("rbf", False, 24)
    assert len(found["cka"]["values"]) == len(found["cka"]["rows"]) == 6
    assert len(found["own"]["confusion"]) == 10 and found["own"]["ece"] >= 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["nobody"], "'nobody' fits no finished run in"),
        (["resnet8.ce"], "has no teacher; name the run to compare it with: --against DIGEST"),
        (["resnet8.kd", "--against", "nobody"], "'nobody' fits no finished run"),
        (["resnet8.kd", "--picture", "who.txt"], "a name that ends in .png, .svg or .pdf, found 'who.txt'"),
        (["resnet8.kd", "--layers", "--images", "2"], "at least 4 are needed to compare layers, found 2"),
        (["resnet8.kd", "--kind", "rfb"], 'Did you mean "rbf"'),
    ],
)
def test_a_wrong_request_is_refused(store: str, asked: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", *asked, "--store", store]) == 2
    assert said in capsys.readouterr().err


def test_the_help_says_when_another_run_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "A run without a teacher, such as a standard teacher, needs --against" in shown
