"""``--plan`` of ``train`` and ``study``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from didact.cli.main import main

ASKED = ["train", "--net", "resnet8", "--teacher", "resnet8", "--data.per_class", "4", "--epochs", "1", "--precision=fp32"]


def test_a_plan_trains_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    assert main([*ASKED, "--plan", "--throughput", "10", "--devices", "3", "--json", "--store", str(store)]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [job["trains"] for job in plan["jobs"]] == ["resnet8 ce", "resnet8 kd"]
    assert plan["devices"] == 3 and plan["operations_per_second"] == 1e10 and plan["speed"] == "as stated"
    assert not store.exists()


def test_a_study_has_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--table", "8", "--scale", "digits", "--method", "kd", "--store", str(tmp_path / "store")]
    assert main(["study", "sftn", *words, "--plan", "--throughput", "10"]) == 0
    assert ", in 3 jobs" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--throughput", "5"], "throughput: is for a plan; write --plan, too"),
        (["--devices", "5"], "devices: is for a plan; write --plan, too"),
        (["--plan", "--devices", "0"], "--devices: expected 1 or more"),
        (["--plan", "--throughput", "fast"], "--throughput: expected a number"),
    ],
)
def test_wrong_plans_are_refused(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (ASKED, ["study", "gtn"]):
        assert main([*command, *options, "--store", str(tmp_path / "store")]) == 2
        assert said in capsys.readouterr().err
