"""``didact answers``, and the options that keep answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from didact.cli.main import main

ASKED = ["train", "--net", "resnet8", "--teacher", "resnet8", "--data.per_class", "4", "--epochs", "1", "--precision=fp32"]


def test_answers_are_kept_listed_read_and_dropped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(tmp_path / "store")]
    assert main([*ASKED, *store, "--keep-answers", "--answers-limit", "1 MB", "--json"]) == 0
    assert "MB an epoch" in capsys.readouterr().err
    assert main(["answers", *store, "--json"]) == 0
    [series] = json.loads(capsys.readouterr().out)
    assert series["teacher"] == "resnet8.ce.s0" and series["epochs"] == 1 and series["digest"]
    assert main(["answers", *store, "--drop", "resnet20"]) == 2
    assert "no answers of a teacher 'resnet20'" in capsys.readouterr().err
    assert main(["answers", *store, "--drop", series["digest"]]) == 0
    assert "resnet8.ce.s0" in capsys.readouterr().out
    assert main(["answers", *store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--answers-limit", "1GB"], "none are kept; write --keep-answers"),
        (["--keep-answers", "--answers-limit", "much"], "such as '512 KiB'"),
        (["--keep-answers", "--answers-limit", "0"], "--answers-limit: expected 1 or more"),
    ],
)
def test_wrong_limits_are_refused(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (ASKED, ["study", "gtn"]):
        assert main([*command, *options, "--store", str(tmp_path / "store")]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_store_without_answers_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "answers" / "strange").mkdir(parents=True)
    (tmp_path / "answers" / "strange" / "series.json").write_text("[1]")
    (tmp_path / "answers" / "file").write_text("")
    assert main(["answers", "--store", str(tmp_path), "--json"]) == 0
    assert [one["teacher"] for one in json.loads(capsys.readouterr().out)] == ["-"]
    assert main(["answers", "--store", str(tmp_path / "none")]) == 0
    assert main(["answers", "--drop", " ", "--store", str(tmp_path)]) == 2
    assert main(["answers", "--drop", "all", "--store", str(tmp_path)]) == 0
    assert not (tmp_path / "answers" / "strange").exists()
