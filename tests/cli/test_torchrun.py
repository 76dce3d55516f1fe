"""The command under torchrun itself: on two machines, which are two of its agents here, and with a wrong setting."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from didact.store.store import Store
from support.kept import weights

pytestmark = pytest.mark.slow

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--rdzv-backend", "c10d"]
TRAIN = ["-m", "didact", "train", "--data.classes=2", "--data.per_class=5", "--precision=fp32", "--epochs=2", "--net"]
SECONDS = 240


def started(port: int, nodes: int, processes: int, *command: str | Path) -> subprocess.Popen[str]:
    """An agent of torchrun, which meets the others at the port."""
    place = ["--nnodes", nodes, "--nproc-per-node", processes, "--rdzv-endpoint", f"localhost:{port}", "--rdzv-id", "tests"]
    words = [*TORCHRUN, *place, *TRAIN, *command]
    return subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free() -> int:
    with socket.create_server(("localhost", 0)) as one:
        return one.getsockname()[1]


def test_two_machines_train_what_one_process_trains(tmp_path: Path) -> None:
    port, net = free(), "basic-4-1x4-1x8"
    agents = [started(port, 2, 1, net, "--store", tmp_path / "two") for _ in range(2)]
    said = [agent.communicate(timeout=SECONDS) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert sum("accuracy" in out for out, _ in said) == 1  # the first process answers
    subprocess.run([sys.executable, *TRAIN, net, "--store", str(tmp_path / "one")], check=True, timeout=SECONDS)
    one, two = (Store(tmp_path / name) for name in ("one", "two"))
    ((run, record),) = two.runs()
    assert record.environment()["processes"] == 2
    for name, value in weights(one, run).items():
        torch.testing.assert_close(weights(two, run)[name], value, rtol=1e-3, atol=1e-4)


def test_a_wrong_setting_is_said_once_and_again_in_the_report_of_torchrun(tmp_path: Path) -> None:
    process = started(free(), 1, 2, "resnet9", "--store", tmp_path / "store")
    out, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and not out  # torchrun has no other exit code
    before, _, report = said.partition("Traceback (most recent call last)")
    assert before.count("didact: ") == 1 and "net: unknown network 'resnet9'" in before
    assert "traceback : didact: net: unknown network 'resnet9'" in report and "errors.html" not in report
    assert not (tmp_path / "store").exists()
