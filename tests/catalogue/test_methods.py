"""What is known of a method before it is trained."""

from __future__ import annotations

import json

import pytest

from didact import nets
from didact.catalogue.methods import Added, added, describe, reads_text, stage_details, stage_text
from didact.data import Data
from didact.method import Method, Stage
from didact.nets.blocks import parameters
from didact.request.plan import plan
from didact.request.tokens import parse
from didact.runs.dry_run import check
from didact.spec import SpecError, catalogue, full_name
from didact.tensors import reads

CIFAR = Data(name="cifar100")


@pytest.mark.parametrize("name", catalogue(*Method.homes))
def test_every_method_is_described(name: str) -> None:
    found = describe(name)
    plain = json.loads(json.dumps(found.plain()))
    assert (plain["name"], plain["year"]) == (name, found.about.year)
    assert all(setting["meaning"] and setting["default"] for setting in plain["settings"])
    assert len(plain["stages"]) == len(found.stages)
    for preset in found.presets:
        assert describe(f"{name}+{preset}").settings != found.settings


@pytest.mark.parametrize("name", [*catalogue(*Method.homes), "fitnet+kd"])
def test_the_command_asks_for_the_method(name: str) -> None:
    program, command, *tokens = describe(name).command.split()
    assert (program, command) == ("didact", "train")
    (run,) = plan(parse(tokens))
    check(run)
    assert name in (full_name(run.method), run.teacher and full_name(run.teacher.method))


def test_peers_are_asked_for_by_methods_that_look_at_them() -> None:
    assert describe("dml").command == "didact train --net resnet8 --peers.net resnet20 --method dml"
    assert describe("ce").command == "didact train --net resnet8 --method ce"
    assert describe("gtn").plain()["command"].endswith("--teacher.method gtn --teacher.method.pool tiny")


def test_a_preset_gives_its_defaults_and_what_is_read() -> None:
    plain, chosen = describe("fitnet"), describe("fitnet+kd")
    assert {row[0]: row[2] for row in plain.settings}["alpha"] == "0.0"
    assert {row[0]: row[2] for row in chosen.settings}["alpha"] == "1.0"
    assert plain.reads["teacher"] == ["features"]
    assert chosen.reads["teacher"] == ["logits", "features"]
    assert describe("sftn").option == "teacher.method"
    with pytest.raises(SpecError, match="no preset 'kx'; did you mean 'kd'"):
        describe("fitnet+kx")


def test_stages_in_words() -> None:
    assert stage_text(Stage()) == "train"
    assert stage_text(Stage("init", share=0.125)) == "init 1/8"
    assert stage_text(Stage("init", share=20 / 240)) == "init 1/12"
    assert stage_text(Stage("init", epochs=30)) == "init 30 epochs"
    stage = Stage("init", share=0.5, moves=("extras.",), learning_rate=0.1, needs=reads("features", teacher="stem"))
    assert stage_details(stage) == "init 1/2 (moves extras.; rate 0.1; reads its own features; the teacher's stem)"
    assert reads_text(describe("ce").reads) == "its own logits"


def test_what_a_method_adds_is_what_it_builds() -> None:
    width = 32  # of block 2 of both; a 1x1 convolution with bias, batch norm with its statistics and its counter
    found = added("fitnet", "resnet20", "resnet56", CIFAR)
    assert found == Added(width * width + width + 2 * width, 0, 4 * 2 * width + 8)
    assert added("kd", "resnet20", "resnet56", CIFAR) == Added(0, 0, 0)


def test_a_method_on_the_teacher_is_counted_on_the_teacher() -> None:
    """SFTN's branches for resnet8: the parts of two students behind the transform layers."""
    found = added("sftn", "resnet8", "resnet20", CIFAR)
    student = nets.create("resnet8", 100)
    assert found.parameters > parameters(student.slice(1)) + parameters(student.slice(2))


def test_large_memories_are_told_of() -> None:
    assert Added(1234, 0, 2**20 - 1).text() == "1,234"
    assert Added(1234, 25700, 3 * 2**20).text() == "1,234 + 25,700 frozen + 3.0 MiB of memory"


@pytest.mark.parametrize("name", catalogue(*Method.homes))
def test_every_method_can_be_counted(name: str) -> None:
    """Building happens on the meta device, as the check before every training does."""
    assert added(name, "resnet8x4", "resnet32x4", CIFAR).parameters >= 0
