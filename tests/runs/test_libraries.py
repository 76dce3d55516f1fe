"""Runs of networks of other libraries: their digests, what they are trained with, what their Records need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from didact import Execution, Store, execute, plan
from didact.cli.main import main
from didact.runs.foreign import involved, sources
from didact.spec import from_json, to_json
from didact.store.query.listing import rows
from support import guests

TINY = {"name": "digits", "classes": 2, "per_class": 4}


def asked(**more: Any) -> list[Any]:
    return plan({"net": "timm:plain_tiny", "epochs": 1, "precision": "fp32", "data": TINY} | more)


def test_the_digest_changes_with_the_structure_and_not_with_the_version() -> None:
    digests = []
    for version, changed in (("1.0", {}), ("1.1", {}), ("2.0", {"act": "sigmoid"})):
        with guests.installed(version, **changed):
            (run,) = asked()
            digests.append(run.digest)
            assert sources(run) == {run.net: f"timm {version}"}
    assert digests[0] == digests[1] != digests[2]
    with guests.missing():  # a Record can be read without the library
        assert from_json(type(run), to_json(run)).digest == digests[2]


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("method", ["sftn", "standard"])
def test_student_and_teacher_of_a_library_are_trained_and_read_again(method: str, tmp_path: Path) -> None:
    with guests.installed():
        teacher = {"net": "timm:plain_tiny+width=6", "method": method}
        (run,) = asked(teacher=teacher, method="fitnet+kd")
        assert len(involved(run)) == 2
        store = Store(tmp_path)
        outcome = execute([run], store, Execution())
        assert not outcome.failures
        assert outcome.records[run.digest].environment()["source"] == dict.fromkeys(involved(run), "timm 1.0")
        assert run.label == "timm-plain_tiny.fitnet+kd.s0" and "@" not in store.folder(run).name
        assert store.load(run)[0].shapes((1, 16, 16)).classes == 2
    untrusting = Store(tmp_path)  # names of libraries are no code of a stranger's
    with guests.missing():
        assert all(row.trusted for row in rows(untrusting))  # type: ignore[union-attr]


@pytest.mark.usefixtures("few_digits")
def test_a_record_of_another_structure_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--net timm:plain_tiny --data digits --data.classes 2 --data.per_class 4 --epochs 1 --precision fp32 --method ce"
    with guests.installed():
        assert main(["train", *words.split(), "--store", str(tmp_path)]) == 0
    assert "timm:plain_tiny on digits" in capsys.readouterr().out
    with guests.installed("2.0", act="sigmoid"):
        assert main(["look", "timm-plain_tiny", "--against", "timm-plain_tiny", "--store", str(tmp_path)]) == 2
        assert "timm 2.0 builds another network" in capsys.readouterr().err
        assert main(["train", *words.split(), "--store", str(tmp_path)]) == 0
    assert len([*(tmp_path / "runs").iterdir()]) == 2


@pytest.mark.usefixtures("few_digits")
def test_a_generic_teacher_is_prepared_for_networks_of_a_library(tmp_path: Path) -> None:
    with guests.installed():
        pool = "timm:sized_tiny,timm:plain_tiny,resnet8"
        (run,) = asked(
            net="timm:plain_tiny", teacher={"net": "resnet8", "method": {"name": "gtn", "pool": pool}}, method="kd"
        )
        assert {name.partition("@")[0] for name in involved(run)} == {"timm:plain_tiny", "timm:sized_tiny"}
        assert not execute([run], Store(tmp_path), Execution()).failures


def test_memory_is_counted_for_networks_of_a_library(capsys: pytest.CaptureFixture[str]) -> None:
    with guests.installed():
        assert main(["fit", "--pool", "timm:plain_tiny", "--data", "digits", "--json"]) == 0
        assert main(["fit", "--pool", "timm:plain_tiny,resnet8", "--image", "3x32x32", "--classes", "5"]) == 0
        assert "timm:plain_tiny" in capsys.readouterr().out
        assert main(["list", "methods", "--net", "timm:plain_tiny", "--teacher", "resnet8", "--data", "cifar100"]) == 0
