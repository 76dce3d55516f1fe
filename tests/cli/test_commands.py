"""The command line as a person uses and misuses it: answers, exit codes, what is printed where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from didact.cli.main import main
from didact.execution.executors.here import Here
from didact.execution.executors.workers import Workers
from didact.request.tokens import parse
from didact.spec import SpecError

pytestmark = pytest.mark.usefixtures("few_digits")

SMALL = ["--net", "resnet8", "--data.per_class", "6", "--epochs", "1", "--recipe.batch_size", "16", "--test-every", "9"]
WORDS = "nets, cuts, pools, methods, data, devices, recipes, settings, studies, machine or runs"


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def test_train_then_compare_show_and_list(store: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["train", *SMALL, "--teacher.net", "resnet8", "--teacher.method", "standard,sftn", "--method", "ce,kd,at+kd"]
    assert main([*asked, "--seeds", "2", "--store", store]) == 0
    shown = capsys.readouterr()
    assert "done" in shown.err
    for word in ("the teacher", "alone (ce)", "kd", "at+kd", "difference", "KL standard", "CKA sftn", "±", "n = 2"):
        assert word in shown.out
    # asked again, it answers from its Records
    assert main([*asked, "--seeds", "2", "--store", store, "--json"]) == 0
    again = capsys.readouterr()
    assert "training" not in again.err
    table = json.loads(again.out)[0]
    assert set(table["teachers"]) == {"standard", "sftn"}
    row = next(r for r in table["rows"] if r["method"] == "kd")
    assert row["top1"]["sftn"]["n"] == 2

    picture = tmp_path / "who.png"
    assert main(["compare", "--store", store, "--net", "resnet-8", "--picture", str(picture)]) == 0
    assert picture.stat().st_size > 10_000
    shown = capsys.readouterr().out
    assert "resnet8 taught by resnet8 on digits 6 per class" in shown and f"Picture: {picture}\n" in shown

    assert main(["list", "runs", "--store", store, "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    # two teachers, the student alone, two methods from two teachers, two seeds each; the first student alone is a teacher
    assert len(runs) == 2 + 2 + 8 - 1
    assert main(["show", runs[0]["digest"], "--store", store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["digest"] == runs[0]["digest"]
    assert main(["show", runs[0]["digest"], "--store", store]) == 0
    assert "test_top1" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["nets", "pools", "methods", "data", "devices", "recipes", "settings"])
def test_list(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 4
    assert main(["list", what, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["train", "--net", "resnt20"], r"unknown network 'resnt20'; did you mean 'resnet20'"),
        (["train", "--nett", "resnet8"], "nett: no such setting; did you mean 'net'"),
        (["train"], "say which network is to learn"),
        (["train", "--net", "resnet8", "--recipe.epochz", "3"], "recipe.epochz: no such setting; did you mean 'epochs'"),
        (["train", "--net", "resnet8", "--epochs", "many"], "recipe.epochs: expected a whole number"),
        (["train", "--net", "resnet8", "--epochs", "0"], "recipe.epochs: expected 1 or more"),
        (["train", "--net", "resnet8", "--recipe", "papr"], "unknown recipe 'papr'; did you mean 'paper'"),
        (["train", "--net", "resnet8", "--data", "cifar99"], "did you mean 'cifar10'"),
        (["train", "--net", "resnet8", "--data.fractoin", "0.1"], "data.fractoin: no such setting; did you mean 'fraction'"),
        (["train", "--net", "resnet8", "--method", "kd"], "learns from a teacher and none is given"),
        (["train", "--net", "resnet8", "--teacher.nte", "resnet8"], "teacher.nte: no such setting; did you mean 'net'"),
        (["train", "--net", "resnet8", "--teacher.net", "resnet8", "--teacher.method", "sftm"], "did you mean 'sftn'"),
        (
            [
                "train",
                "--net",
                "resnet8",
                "--teacher.net",
                "resnet8",
                "--teacher.method",
                "sftn",
                "--teacher.method.kl_wieght",
                "1",
            ],
            "teacher.method.kl_wieght: no such setting; did you mean 'kl_weight'",
        ),
        (
            ["train", "--net", "resnet8", "--teacher.net", "resnet8", "--method", "kd", "--method.temprature", "2"],
            "method.temprature: no such setting; did you mean 'temperature'",
        ),
        (["train", "--net", "resnet8", "--teacher.net", "resnet8", "--method", "fitnet+ab"], "no preset 'ab'"),
        (["train", "--net", "resnet8", "--seeds"], "--seeds needs a value"),
        (["train", "resnet8"], "expected --setting value, found 'resnet8'\n"),
        (["train", "--epochs", "3", "epochs=4"], "found 'epochs=4'; write --epochs=4\n"),
        (["train", "--epochs=3", "--net", "resnet8", "--epochs", "4"], "epochs: is given twice; write it once"),
        (["train", "--net", "resnet8", "--workers", "2", "--workers=1"], "--workers specified multiple times"),
        (["train", "--net", "resnet8", "--seeds", "0"], "seeds: expected 1 or more (found 0)"),
        (["train", "--net", "resnet8", "--start", "branches"], "needs a teacher that has branches"),
        (
            ["train", "--net", "resnet8", "--teacher.net", "resnet8", "--start", "branches"],
            "needs a teacher that has branches",
        ),
        (["train", "--net", "resnet8", "--teacher.net", "resnet8", "--teacher.start", "standard"], "not standard"),
        (
            ["train", "--net", "resnet8", "--teacher.net", "resnet8", "--teacher.method.kl_weight", "1"],
            "teacher.method.kl_weight: a",
        ),
        (["train", "--net", "resnet8", "--epochs", "2", "--recipe.epochs", "3"], "contradicts recipe.epochs"),
        (["train", "--net", "resnet8", "--cohort-size", "0"], "--cohort-size: expected 1 or more (found 0)"),
        (["train", "--net", "resnet8", "--recipe.momentum", "0", "--recipe.nesterov", "true"], "nesterov needs a momentum"),
        (["train", "--net", "resnet8", "--recipe.batch_size", "1"], "recipe.batch_size"),
        (["train", "--net", "nowhere:net"], "cannot import 'nowhere'"),
        (["train", "--net", "resnet8", "--method", "nowhere:M"], "cannot import 'nowhere'"),
        (["compare", "--picture", "who.txt"], "ends in .png, .svg or .pdf"),
        (["list", "netz"], "did you mean 'nets'"),
        (["list", "foo"], f"what: one of {WORDS}; found 'foo'\n"),
        (["list", "NETS"], f"what: one of {WORDS}; found 'NETS', did you mean 'nets'?\n"),
        (["list"], f"what: one of {WORDS}\n"),
        (["list", "--net", "resnet8"], f"what: one of {WORDS}\n"),
        (["show", "abcdef"], "does not exist; name another by --store"),
        (["compare"], "does not exist; name another by --store"),
        (["quickstart", "--data", "cifra100"], "did you mean 'cifar100'"),
        (["trian"], "trian"),
        (["train", "--net", "resnet8", "--device", "tpu9"], "device 'tpu9' cannot be used here"),
    ],
)
def test_a_wrong_request_is_refused_with_the_nearest_name(
    asked: list[str], said: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if asked[0] not in ("list", "trian"):
        asked = [*asked, "--store", store]
    assert main(asked) == 2
    assert said in capsys.readouterr().err
    assert not Path(store).exists()


def test_networks_of_ones_own_are_checked_before_training(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ["from torch import nn", "from didact.nets import Block, BlockNet, Head", "def none(): ..."]
    lines.append("def loose(k, c): return BlockNet(nn.Identity(), [('1', nn.Conv2d(c, 4, 1))], Head(4, k))")
    lines.append("def seven(k, c): return BlockNet(nn.Identity(), [('1', Block(nn.Conv2d(c, 4, 1)))], Head(4, 7))")
    lines.append("def good(k, c): return BlockNet(nn.Identity(), [('1', Block(nn.Conv2d(c, 4, 1)))], Head(4, k))")
    (tmp_path / "own_networks.py").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)  # found in the working directory
    for name, said in (("none", "called with"), ("loose", "found Conv2d"), ("seven", "7 logits"), ("nil", "no function")):
        assert main(["train", "--net", f"own_networks:{name}", "--store", store]) == 2
        assert said in capsys.readouterr().err
    assert main(["train", *SMALL[2:], "--net", "own_networks:good", "--store", store]) == 0


def test_missing_data_is_said_before_training(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data" / "cifar-100-binary"
    folder.mkdir(parents=True)
    (folder / "train.bin").write_bytes(b"cut short")
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "data"))
    assert main(["train", "--net", "resnet8", "--data", "cifar100", "--store", store]) == 2
    assert "train.bin" in capsys.readouterr().err


def test_a_failed_run_exits_with_1(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [word if word != "1" else "2" for word in SMALL]
    assert main(["train", *asked, "--recipe.learning_rate", "1e9", "--store", store]) == 1
    assert "FAILED" in capsys.readouterr().err


def test_the_help_of_list_names_what_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert WORDS in shown


def test_help_of_train_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for setting in ("--recipe.weight_decay", "--data.validation", "--teacher.method.kl_weight", "--teacher.net", "--seeds"):
        assert setting in shown


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_says_so_and_keeps_its_checkpoint(number: signal.Signals, code: int, store: str) -> None:
    asked = [
        "--net",
        "basic-4-1x4-1x8",
        "--data.per_class",
        "6",
        "--epochs",
        "3000",
        "--test-every",
        "9999",
        "--store",
        store,
    ]
    command = [sys.executable, "-m", "didact", "train", *asked, "--precision", "fp32"]
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # tests started with & would not hear it
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=heard) as process:
        try:
            while not (found := list(Path(store).glob("runs/*/metrics.jsonl"))) or found[0].read_text().count("\n") < 2:
                assert process.poll() is None
                time.sleep(0.02)
            process.send_signal(number)
            _, said = process.communicate()
        finally:
            process.kill()
    assert process.returncode == code
    assert "interrupted" in said
    assert "Traceback" not in said
    assert (found[0].parent / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_interrupted_no_worker_outlives_the_command(number: signal.Signals, store: str) -> None:
    """Ctrl-C reaches every process of a terminal; a kill only the command. Whoever lives holds standard error open."""
    asked = ["--net", "basic-4-1x4-1x8", "--data", "support.played:noise", "--epochs", "100000", "--test-every", "100000"]
    command = [sys.executable, "-m", "didact", "train", *asked, "--precision", "fp32", "--workers", "2", "--store", store]
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=heard, start_new_session=True
    ) as process:
        try:
            while not (found := list(Path(store).glob("runs/*/metrics.jsonl"))) or found[0].read_text().count("\n") < 2:
                assert process.poll() is None
                time.sleep(0.02)
            send = os.killpg if number == signal.SIGINT else os.kill
            send(process.pid, number)
            _, said = process.communicate()
        finally:
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said and ("interrupted" in said) == (number == signal.SIGINT)
    assert (found[0].parent / "checkpoint.safetensors").exists()


def test_workers_are_counted_from_one(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train"], ["study", "gtn"], ["quickstart"]):
        assert main([*command, "--workers", "0", "--store", store]) == 2
        assert "--workers: expected 1 or more (found 0)" in capsys.readouterr().err
        assert main([*command, "--workers", "many", "--store", store]) == 2
        assert "--workers: expected a whole number (found 'many')" in capsys.readouterr().err
    assert not Path(store).exists()


def test_settings_become_a_tree() -> None:
    tokens = [
        "--teacher.method.kl_weight=1",
        "--teacher.method",
        "sftn",
        "--epochs",
        "3",
        "--data.fraction",
        "0.5",
        "--x",
        "true",
    ]
    assert parse(tokens) == {
        "x": True,
        "teacher": {"method": {"name": "sftn", "kl_weight": 1}},
        "epochs": 3,
        "data": {"fraction": 0.5},
    }
    with pytest.raises(SpecError, match="expected --setting"):
        parse(["oops"])


def test_auto_is_a_number_of_workers(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Workers, "automatic", classmethod(lambda cls, device: asked.append(device) or Here()))
    words = ["--net", "resnet8", "--data.per_class", "2", "--epochs", "1", "--precision", "fp32", "--device", "cpu"]
    assert main(["train", *words, "--store", store]) == 0
    assert not asked
    assert main(["train", *words, "--store", store, "--workers", "auto"]) == 0
    assert asked == ["cpu"]
