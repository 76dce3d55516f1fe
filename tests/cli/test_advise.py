"""``didact advise``, as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from didact.cli.main import main

SMALL = ["--net", "resnet8", "--teacher.net", "resnet8", "--recipe.batch_size", "4", "--data.per_class", "2"]


def test_it_answers_for_a_request(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["advise", *SMALL, "--epochs", "20", "--store", str(tmp_path / "none")]) == 0
    out = capsys.readouterr().out
    assert "Which teacher for resnet8" in out and "Trials of SFTN" in out and "Trials of GTN" in out
    assert "Train a standard teacher" in out or "cannot tell" in out
    assert not (tmp_path / "none").exists(), "it writes nothing"


def test_json_is_for_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    image = tmp_path / "gains.png"
    assert main(["advise", *SMALL, "--epochs", "20", "--json", "--store", str(tmp_path), "--picture", str(image)]) == 0
    assert image.read_bytes()[:4] == b"\x89PNG"
    found = json.loads(capsys.readouterr().out)
    assert [one["teacher"] for one in found["teachers"]] == ["standard", "sftn", "gtn"]
    assert all(one["seconds"] > 0 for one in found["teachers"])
    assert found["errors"]["sftn"]["1 / epochs"] < found["errors"]["sftn"]["1 / steps"]
    held = found["held_out"]["sftn"]
    assert held["line"]["right"] >= held["always standard"]["right"] > held["always friendly"]["right"]
    assert held["line"]["wrong"] < min(held[f"always {one}"]["wrong"] for one in ("standard", "friendly"))


@pytest.mark.slow
def test_a_pilot_trains_short_runs_and_uses_them_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = ["advise", *SMALL, "--epochs", "20", "--pilot", "0.5", "--store", str(tmp_path)]
    assert main(command) == 0
    first = capsys.readouterr()
    assert "Pilot of 10 epochs: gain" in first.err
    assert len(list((tmp_path / "runs").iterdir())) == 8, "two teachers, three students of each"
    assert "this store" in first.out, "the pilot is a trial"
    assert main(command) == 0
    assert "epoch 1/10" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--net", "resnet8"], "teacher.net: say which network is to teach"),
        ([*SMALL, "--teacher.method", "sftn"], "leave it out"),
        ([*SMALL, "--epochs", "20", "--pilot", "2"], "between 0 and 1"),
        ([*SMALL, "--epochs", "20", "--pilot", "0.01"], "fewer than 10 say nothing"),
        ([*SMALL, "--epoch", "20"], "epochs"),
    ],
)
def test_wrong_requests_are_refused_before_training(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["advise", *arguments, "--store", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
