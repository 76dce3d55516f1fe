"""``didact search``: what it prints, what it refuses, and the command that it ends with."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from didact.cli.distil import command
from didact.cli.main import main
from didact.cli.settings import parse
from didact.data import Data
from didact.engine.recipe import Recipe
from didact.nets.supernet import SPACES, Choices, Pool, Space
from didact.studies.plan import plan
from didact.studies.run import Run, Start
from didact.studies.store import Store
from didact.teaching.gtn import GTN

Said = pytest.CaptureFixture[str]
POOL = "basic-4-1x4-1x8,basic-4-1x4-1x16,basic-8-1x8-1x16"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generic teacher, trained alone as the page of the pools says."""
    root = tmp_path_factory.mktemp("store")
    asked = ["train", "--net", "resnet8", "--method", "gtn", "--method.pool", POOL, "--method.after", "[0,1]"]
    asked += ["--data.per_class", "12", "--data.validation", "0.5", "--epochs", "1", "--recipe.batch_size", "16"]
    assert main([*asked, "--store", str(root)]) == 0
    return root


@pytest.fixture(scope="module")
def teacher(store: Path) -> Run:
    ((run, _),) = list(Store(store).runs())
    return run


def test_the_front_and_how_to_go_on(store: Path, teacher: Run, tmp_path: Path, capsys: Said) -> None:
    picture = tmp_path / "made" / "front.png"
    asked = ["search", teacher.digest[:6], "--store", str(store), "--max-macs", "10000000", "--picture", str(picture)]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "l_nas" in shown and "at most 10,000,000 MACs" in shown and "3 of the pool's 3 students" in shown
    assert picture.stat().st_size > 5000 and str(picture) in shown
    line = shown.strip().splitlines()[-1]
    assert line.startswith("didact train --net basic-")
    words = shlex.split(line)[2:]
    at = words.index("--store")
    assert words[at + 1] == str(store)
    assert all(run.teacher is not None and run.teacher.digest == teacher.digest for run in plan(parse(words[:at])))


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
    assert found["of"] == teacher.digest and found["predicted"] == 1 and found["picks"] == {"l_nas": "basic-4-1x4-1x8"}
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
    assert "max_bytes" in said("--max-bytes", "much") and "max_parameters" in said("--max-parameters", "0")
    assert "to compute there write --compute cuda" in said("--device", "cuda")
    assert "did you mean 'edge-tpu'?" in said("--device", "edge-tp")
    assert "edge-tpu computes in 8 bit, not in 32" in said("--device", "edge-tpu", "--bits", "32")
    assert "ends in .png" in said("--picture", "front.txt")
    assert "fits no finished run" in said(run="zzz") and "trials" in said("--trials", "0")


def test_of_the_command_line_s_devices(store: Path, teacher: Run, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "own.json").write_text('[{"name": "dot", "what": "tiny", "memory": 100}]')
    own = ["--devices", str(tmp_path / "own.json")]
    assert main(["search", teacher.digest, "--store", str(store), *own, "--device", "dot"]) == 2
    assert "dot: 100 bytes for weights and activations at 8 bit" in capsys.readouterr().err
    assert main(["search", teacher.digest, "--store", str(store), *own, "--device", "Edge TPU"]) == 0
    assert "edge-tpu holds it at 8 bit" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------ the command

DATA = Data(name="cifar100", classes=20, validation=0.1)
OWN = Space(
    kind="inverted", stages=(Choices(depth=(1, 2), width=(8, 16)), Choices(depth=(1,), width=(16, 24))), head=(32, 64)
)


@pytest.mark.parametrize(
    "run",
    [
        Run(net="resnet20", data=DATA, method=GTN(pool=SPACES["tiny"], after=(0, 1))),
        Run(
            net="resnet20", data=DATA, recipe=Recipe(epochs=7, learning_rate=0.2), seed=3, data_seed=4, method=GTN(pool=OWN)
        ),
        Run(
            net="vgg8",
            data=DATA,
            recipe=Recipe(epochs=3, precision="bf16", schedule="one-cycle"),
            method=GTN(pool=Pool(members=("resnet8", "basic-4-1x4-1x8")), sampling="sandwich", paths=2, alpha=0.5),
        ),
    ],
    ids=["paper", "own-space", "list"],
)
def test_it_names_the_very_teacher(run: Run) -> None:
    fine_tuned = replace(run, start=Start(run=Run(net=run.net, data=run.data, recipe=run.recipe, data_seed=run.data_seed)))
    for one in (run, fine_tuned) if run.seed == 0 else (run,):
        line = command(one, ["resnet8", "basic-4-1x4-1x8"], Path("my store"))
        assert line is not None and "--store 'my store'" in line
        words = shlex.split(line)[2:-2]
        assert [(r.net, r.teacher and r.teacher.digest) for r in plan(parse(words))] == [
            ("resnet8", one.digest),
            ("basic-4-1x4-1x8", one.digest),
        ]


def test_a_teacher_that_no_command_describes() -> None:
    other = Run(net="resnet20", data=DATA, seed=9)
    assert (
        command(Run(net="resnet20", data=DATA, method=GTN(pool=OWN), start=Start(run=other)), ["resnet8"], Path("s")) is None
    )
