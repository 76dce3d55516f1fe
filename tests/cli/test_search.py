"""``didact search``: what it prints, what it refuses, and what it says to run."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.nets.supernet import SPACES
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.run import Run
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront
from didact.search.predict import pool_of
from didact.store.store import Store
from didact.tables.fit import weight_size
from didact.tables.front import picked, tried

Said = pytest.CaptureFixture[str]
POOL = "basic-4-1x4-1x8,basic-4-1x4-1x16,basic-8-1x8-1x16"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two generic teachers, trained alone as the page of the pools says, the one for much too short a time; a plain network."""
    root = tmp_path_factory.mktemp("store")
    shared = ["--net", "resnet8", "--data.per_class", "12", "--recipe.batch_size", "16"]
    shared += ["--store", str(root), "--test-every", "99"]
    asked = ["--method", "gtn", "--method.pool", POOL, "--method.after", "[0,1]", "--data.validation", "0.5"]
    for epochs in ("1", "24"):
        assert main(["train", *shared, *asked, "--epochs", epochs]) == 0
    assert main(["train", *shared, "--epochs", "1"]) == 0
    return root


def _run(store: Path, epochs: int, method: str = "gtn") -> Run:
    (run,) = [run for run, _ in Store(store).runs() if run.recipe.epochs == epochs and run.method.name() == method]
    return run


@pytest.fixture(scope="module")
def teacher(store: Path) -> Run:
    return _run(store, 24)


def planned(line: str) -> list[Run]:
    """What a command that was printed asks for."""
    words = shlex.split(line.strip())
    assert words[:2] == ["didact", "train"]
    return plan(parse(words[2 : words.index("--store")]))


def test_the_front_and_how_to_go_on(store: Path, teacher: Run, tmp_path: Path, capsys: Said) -> None:
    picture = tmp_path / "made" / "front.png"
    asked = ["search", teacher.digest[:6], "--store", str(store), "--max-macs", "10000000", "--picture", str(picture)]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "l_nas" in shown and "at most 10,000,000 MACs" in shown and "Predicted 3 of the pool's 3 students: " in shown
    for heading in ("predicted accuracy (%)", "parameters", "MACs (million)", "size at 8 bit", "size at 32 bit"):
        assert heading in shown
    assert "1.41 KB" in shown and "5.62 KB" in shown and "60 validation images" in shown and "WARNING" not in shown
    assert picture.stat().st_size > 5000 and str(picture) in shown
    lines = shown.strip().splitlines()
    assert lines[-3].startswith("Distil") and lines[-2].startswith("didact train --net basic-")
    assert lines[-1] == f"Picture: {picture}"
    assert all(run.teacher is not None and run.teacher.digest == teacher.digest for run in planned(lines[-2]))


def test_one_student_has_several_labels(store: Path, teacher: Run, capsys: Said) -> None:
    assert main(["search", teacher.digest, "--store", str(store), "--max-parameters", "1500"]) == 0
    shown = capsys.readouterr().out
    assert "s_nas, l_nas" in shown and "The front is a single student: the one with the fewest parameters is also" in shown
    assert "Predicted 1 of the pool's 3 students: 1 on the front. The other 2 exceed a limit." in shown
    assert [run.net for run in planned(shown.strip().splitlines()[-1])] == ["basic-4-1x4-1x8"]


def test_the_notes_of_fronts(teacher: Run) -> None:
    """Named by hand, for a front of any length."""
    one, two, three = (Member(name, accuracy, cost, int(cost), 1) for name, accuracy, cost in FIGURES[:3])
    others = tuple(Member(name, accuracy, cost, int(cost), 1) for name, accuracy, cost in FIGURES[3:])
    line = picked(ParetoFront("", SearchSettings(), (one, two), (), 2, 100, 10.0))
    assert "two students, so there is no m_nas" in line
    line = picked(ParetoFront("", SearchSettings(), (one, two, three), (), 3, 100, 10.0))
    assert "m_nas: between them" in line
    line = tried(ParetoFront("", SearchSettings(trials=5), (one, two, three), others, 2304, 100, 10.0))
    assert line == (
        "Predicted 5 of the pool's 2,304 students: 3 on the front, 2 dominated; the best of these is e, 60.50 % with "
        "25 parameters, dominated by b."
    )
    assert [weight_size(count) for count in (703, 70_400, 999_499, 999_500, 12_300_000)] == [
        "0.703 KB",
        "70.4 KB",
        "999 KB",
        "1 MB",
        "12.3 MB",
    ]


FIGURES = [("a", 50.0, 10.0), ("b", 61.0, 20.0), ("c", 70.0, 30.0), ("d", 40.0, 11.0), ("e", 60.5, 25.0)]


def test_predictions_at_chance(store: Path, capsys: Said) -> None:
    short = _run(store, 1)
    assert main(["search", short.digest, "--store", str(store)]) == 0
    shown = capsys.readouterr().out
    assert (
        "no better than guessing (10 classes; the most frequent one is 10.0 % of 60 images): its order means nothing"
        in shown
    )
    assert "longer than 1 epoch:" in shown and "Distil" not in shown
    assert planned(shown.strip().splitlines()[-1]) == [replace(short, recipe=replace(short.recipe, epochs=3))]
    assert main(["search", short.digest, "--store", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["at_chance"] is True


def test_what_to_train_instead(store: Path, capsys: Said) -> None:
    plain = _run(store, 1, "ce")
    assert main(["search", plain.digest, "--store", str(store)]) == 2
    said = capsys.readouterr().err
    (asked,) = planned(said.strip().splitlines()[-1])
    assert asked.data == replace(plain.data, validation=0.1) and asked.recipe == plain.recipe
    assert pool_of(asked) == SPACES["tiny"] and said.strip().endswith(f"--store {store}")


@pytest.mark.slow
def test_students_that_were_trained(store: Path, teacher: Run, tmp_path: Path, capsys: Said) -> None:
    copied = shutil.copytree(store, tmp_path / "copied")
    asked = ["search", teacher.digest, "--trained", "--store", str(copied)]
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert "has fewer than 3 students of the pool (3 networks) that were trained by the same method" in said
    assert main(shlex.split(said.strip().splitlines()[-1])[1:]) == 0
    capsys.readouterr()
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "kd from gtn" in shown and "tau" in shown and "60 validation images" in shown and "None of these" not in shown
    assert all(shown.count(name + " ") == 1 for name in POOL.split(","))
    assert main([*asked, "--json"]) == 0
    (way,) = json.loads(capsys.readouterr().out)["rank_correlation"]
    assert way["own"] and way["students"] == 3 and {one["name"] for one in way["each"]} == set(POOL.split(","))
    assert main([*asked[:2], *asked[3:]]) == 0  # a search says so, too
    shown = capsys.readouterr().out
    assert "Kendall's tau of prediction and test accuracy, 3 students by kd from gtn" in shown
    assert "of parameters and test accuracy: " in shown
    assert f"didact search {teacher.digest} --trained --store" in shown


def test_json(store: Path, teacher: Run, capsys: Said) -> None:
    asked = [
        "search",
        teacher.digest,
        "--store",
        str(store),
        "--cost",
        "bytes",
        "--bits",
        "4",
        "--max-bytes",
        "1 kB",
        "--json",
    ]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert (
        found["of"] == teacher.digest
        and found["predicted"] == 1
        and found["picks"] == dict.fromkeys(("s_nas", "l_nas"), "basic-4-1x4-1x8")
    )
    (one,) = found["front"]
    assert (one["name"], one["parameters"], one["cost"], one["bytes"]) == (
        "basic-4-1x4-1x8",
        1406,
        703,
        {"32": 5624, "8": 1406},
    )
    assert found["rank_correlation"] == [] and found["distil"].startswith("didact train --net basic-4-1x4-1x8 ")


def test_what_is_refused(store: Path, teacher: Run, capsys: Said) -> None:
    def said(*more: str, run: str = teacher.digest) -> str:
        assert main(["search", run, "--store", str(store), *more]) == 2
        return capsys.readouterr().err

    assert "basic-4-1x4-1x8 has 1,406; write 1406 or more" in said("--max-parameters", "1000")
    assert "max_bytes" in said("--max-bytes", "much") and "--max-parameters: expected 1 or more" in said(
        "--max-parameters", "0"
    )
    assert "to compute there write --device cuda" in said("--target", "cuda")
    assert "did you mean 'edge-tpu'?" in said("--target", "edge-tp")
    assert "edge-tpu computes in 8 bit, not in 32" in said("--target", "edge-tpu", "--bits", "32")
    assert "ends in .png" in said("--picture", "front.txt")
    assert "leave out --cost, --max-macs, --picture" in said(
        "--trained", "--cost", "macs", "--max-macs", "9", "--picture", "f.png"
    )
    assert "fits no finished run" in said(run="zzz") and "trials" in said("--trials", "0")


def test_of_the_command_line_s_devices(store: Path, teacher: Run, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "own.json").write_text('[{"name": "dot", "what": "tiny", "memory": 100}]')
    own = ["--devices", str(tmp_path / "own.json")]
    assert main(["search", teacher.digest, "--store", str(store), *own, "--target", "dot"]) == 2
    assert "dot: 100 bytes for weights and activations at 8 bit" in capsys.readouterr().err
    assert main(["search", teacher.digest, "--store", str(store), *own, "--target", "Edge TPU"]) == 0
    assert "edge-tpu holds it at 8 bit" in capsys.readouterr().out
