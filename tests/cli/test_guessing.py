"""The line about networks that are no better than guessing, which stands under every table of accuracies."""

from __future__ import annotations

from pathlib import Path

import pytest

from didact.cli.main import main

pytestmark = pytest.mark.usefixtures("few_digits")

ASKED = ["--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16", "--recipe.learning_rate", "1e-9"]
STUDY = """
from didact.papers.benchmark import Benchmark

scale = {"data": {"name": "digits", "per_class": 6}, "recipe": {"epochs": 1, "batch_size": 16, "learning_rate": 1e-9}}
study = Benchmark(title="x", pairs=("resnet8/resnet8",), rows={"kd": {"method": "kd"}}, base="kd", scales={"digits": scale})
"""


def said(capsys: pytest.CaptureFixture[str], *asked: str) -> list[str]:
    assert main([*asked]) == 0
    return [line for line in capsys.readouterr().err.splitlines() if "WARNING: no better than guessing" in line]


def test_train_compare_and_study_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(tmp_path / "store")]
    trained = said(capsys, "train", *ASKED, "--net", "resnet8", "--teacher.net", "resnet8", "--method", "kd", *store)
    assert len(trained) == 1 and "resnet8.kd.s0." in trained[0] and "resnet8.ce.s0." in trained[0]
    (compared,) = said(capsys, "compare", *store)
    assert sorted(compared.split()) == sorted(trained[0].split())
    (tmp_path / "guessing_study.py").write_text(STUDY)
    (studied,) = said(capsys, "study", str(tmp_path / "guessing_study.py"), "--workers", "1", *store)
    assert "resnet8.kd.s0." in studied
