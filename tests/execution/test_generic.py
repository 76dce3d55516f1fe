"""Students that are spelt out by their names, and one generic teacher for several of them, from the settings to the table."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.cli.main import main
from didact.execution import Execution, execute
from didact.request.plan import plan
from didact.runs.labels import teacher_label
from didact.runs.run import Run, everything
from didact.spec import SpecError, from_json, to_json
from didact.store.store import Store
from didact.teaching.gtn import GTN

Tiny = Callable[..., Run]
NET = "basic-8-1x8-1x16-1x32"
BASE = {"data": {"name": "digits", "per_class": 6}, "recipe": {"epochs": 1, "batch_size": 16, "precision": "fp32"}}


def test_a_run_names_a_student(tiny: Tiny, store: Store) -> None:
    run = tiny(net="inverted-8s2-1x8e1-1x12e0.5k3-h20".replace("e0.5k3", "k3e0.5"))
    assert run.net == "inverted-8s2-1x8e1-1x12e0.5-h20"
    assert run.digest == tiny(net=run.net.upper()).digest != tiny(net="inverted-8s2-1x8e1-1x12-h20").digest
    assert from_json(Run, json.loads(json.dumps(to_json(run)))) == run
    record = execute([run], store, Execution()).records[run.digest]
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", record.folder.name)
    assert record.folder == store.folder(run)
    assert [found.digest for found, _ in store.runs()] == [run.digest]
    net, again = store.load(run)[0], Store(store.root).load(run)[0]
    images = torch.randn(3, 1, 16, 16)
    assert torch.equal(net(images), again(images))


def test_a_misspelt_student_is_refused(tiny: Tiny) -> None:
    with pytest.raises(SpecError, match=r"^net: 'basic-8-1x8k4' spells no architecture: '1x8k4': a kernel is odd.*k3 or k5"):
        from_json(Run, {"net": "basic-8-1x8k4"})


def test_didact_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["train", "--net", NET.upper(), "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16"]
    assert main([*asked, "--store", str(tmp_path)]) == 0
    assert NET in capsys.readouterr().out
    assert len(list(tmp_path.glob(f"runs/{NET}.ce.s0.*/record.json"))) == 1
    assert main(["train", "--net", "basic-8-1y8", "--store", str(tmp_path)]) != 0
    assert "'1y8' is no stage; the form is <kind>-<stem>" in capsys.readouterr().err


def test_one_generic_teacher_for_two_students(store: Store) -> None:
    how = {"name": "standard,gtn", "gtn": {"pool": "tiny", "sampling": "trained", "after": [0, 1, 2]}}
    students = "basic-8-1x8-1x16-1x32,resnet8"
    runs = plan({**BASE, "net": students, "method": "kd", "teacher": {"net": "resnet8", "method": how}})
    assert len(runs) == 4
    assert len(everything(runs)) == 6  # the generic teacher is the same run for both
    answer = execute(runs, store, Execution())
    assert not answer.failures
    (teacher,) = {r.teacher.digest: r.teacher for r in runs if r.teacher and isinstance(r.teacher.method, GTN)}.values()
    assert teacher_label(teacher) == "gtn (pool=tiny, after=(0, 1, 2), sampling=trained) resnet8"
    row = answer.records[teacher.digest].metrics()[-1]
    assert set(row["terms"]) == {"teacher_ce", "student_ce", "student_kl", "architecture"}
    assert 0 < row["watched"]["entropy"] <= 7.7424
    assert 1e4 < row["watched"]["mean_parameters"] < 2e5
    assert set(store.load(teacher)[0].state_dict()) == set(store.load(runs[0].teacher)[0].state_dict())  # type: ignore[arg-type]
    assert from_json(Run, to_json(teacher)) == teacher


def test_didact_train_with_a_generic_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["train", "--net", NET, "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16"]
    asked += ["--teacher.net", "resnet8", "--teacher.method", "gtn", "--store", str(tmp_path)]
    assert main(asked) != 0
    assert "teacher.method.pool: say which students the teacher is for, e.g. pool=tiny" in capsys.readouterr().err
    assert main([*asked, "--teacher.method.pool", "tiny"]) == 0
    assert "gtn" in capsys.readouterr().out
    assert main([*asked, "--teacher.method.pool", f"{NET},resnet8", "--teacher.method.after", "[0, 1]"]) == 0


def test_images_that_a_student_does_not_survive_are_told_of_before_training(
    tiny: Tiny, store: Store, monkeypatch: Any
) -> None:
    run = tiny({"name": "gtn", "pool": "resnet8,vgg8"})
    monkeypatch.setattr("didact.nets.blocks.BlockNet.shapes", too_small)
    with pytest.raises(SpecError, match=r"resnet8\.gtn\.s0: pool: vgg8: images of 16x16 do not survive"):
        execute([run], store, Execution())
    assert not list(store.root.glob("runs/*"))


def too_small(self: Any, image: tuple[int, ...]) -> Any:
    """``shapes`` of networks of which those with pools take no images of 16x16."""
    if any("MaxPool" in type(m).__name__ for m in self.modules()):
        raise ValueError("images of 16x16 do not survive this network's strides; the smallest that do are 32x32")
    return self.measured(image)[0]
