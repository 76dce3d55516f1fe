"""The benchmarks run and say what they should. How fast they are is nobody's concern here."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.slow
def test_throughput_compares_a_plain_loop_with_a_learner_and_a_cohort(tmp_path: Path) -> None:
    out = tmp_path / "throughput.json"
    small = ["--teacher", "resnet8", "--student", "resnet8", "--batch", "4", "--steps", "2", "--threads", "1"]
    command = [
        sys.executable,
        str(FOLDER / "throughput.py"),
        *small,
        "--variants",
        "plain,learner,cohort2,kept,limit",
        "--out",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr

    result = json.loads(out.read_text())
    assert {"command", "date", "commit", "machine", "torch", "settings", "variants"} <= result.keys()
    assert result["machine"].keys() >= {"processor", "cores"}
    rows = result["variants"]
    assert [(name, row["learners"]) for name, row in rows.items()] == [
        ("plain", 1),
        ("learner", 1),
        ("cohort2", 2),
        ("kept", 1),
        ("limit", 1),
    ]
    for name, row in rows.items():
        assert row["peak_rss_mib"] >= row["floor_rss_mib"] > 0
        assert row["images_per_second"] > 0 and row["images_per_second_total"] > 0
        assert row["step_seconds"]["min"] <= row["step_seconds"]["median"] <= row["step_seconds"]["max"]
        assert name in done.stdout and "ratio" in row and "ratio_total" in row
    assert rows["plain"]["ratio"] == 1 and rows["learner"]["goal"] == 2
    assert rows["limit"]["of_limit"] == 1 and all(row["of_limit"] > 0 for row in rows.values())


def test_augment_measures_whole_batches_and_single_images(monkeypatch: pytest.MonkeyPatch) -> None:
    augment = _module("augment")
    monkeypatch.setattr(augment, "IMAGES", 64)
    monkeypatch.setattr(augment, "REPEATS", 1)
    source = augment.dataset()
    assert len(source.train) == 64
    works = [augment.batched(source, 16), augment.loaded(source, 16), augment.one_by_one(source, 16, images=64)]
    works += [augment.mixed(source, 16)]
    assert [work() for work in works] == [64, 64, 64, 64]
    assert all(augment.rate(work) > 0 for work in works)


@pytest.mark.slow
def test_cka_is_compared_with_whole_kernels(tmp_path: Path) -> None:
    out = tmp_path / "cka.json"
    wanted = ["linear", "rbf", "direct-linear", "direct-rbf"]
    small = ["--samples", "60", "--features", "5", "--threads", "1", "--variants", ",".join(wanted)]
    command = [sys.executable, str(FOLDER / "cka.py"), *small, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["variants"]
    assert list(rows) == wanted and all(row["peak_rss_mib"] >= row["floor_rss_mib"] > 0 for row in rows.values())
    assert rows["linear"]["difference_from_direct"] < 1e-12 and rows["rbf"]["difference_from_direct"] < 1e-3


@pytest.mark.slow
def test_workers_print_the_same_figures(tmp_path: Path) -> None:
    out = tmp_path / "workers.json"
    settings = ["--net", "basic-4-1x4-1x8", "--data.classes", "2", "--data.per_class", "4", "--precision", "fp32"]
    command = [sys.executable, str(FOLDER / "workers.py"), "--out", str(out), "train", *settings, "--epochs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())["workers"]
    assert list(rows) == ["1", "2"]
    assert all(row["same_figures"] and row["threads"] == [1] and row["runs"] == 1 for row in rows.values())


def test_measured_seconds_and_what_is_said_of_them_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)  # it imports throughput.py
    costs = {"note": "less from 2 students on", "figures": {"standard": {"seconds": 0.3, "cpu_seconds": 0.1, "n": 1}}}
    accuracy = {"note": "in percent", "figures": {"teacher": {"mean": 14.3}}}
    printed = {"tables": [accuracy, costs]}
    assert _module("workers").untimed(printed) == {"tables": [accuracy, {"figures": {"standard": {"n": 1}}}]}


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_decoding_compares_a_loop_with_the_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoding = _module("decoding")
    monkeypatch.setenv("DIDACT_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(decoding, "BATCH", 4)
    decoding.photographs(tmp_path / "photographs", 260, 280, 10)
    found = decoding.measured(tmp_path / "photographs", (260, 280), [0], 1)
    assert found["difference"]["pillow"]["largest"] <= 1  # nothing is decoded smaller at this size
    decoding.linked(tmp_path / "photographs", tmp_path / "linked", 2)
    assert len(list((tmp_path / "linked").rglob("*.jpg"))) == 20
    rates = found["rates"]
    assert all(rates[name][clock] > 0 for name in ("one_by_one", "pillow_0", "stored") for clock in ("wall", "cpu"))
