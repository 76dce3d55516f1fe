"""The command under torchrun itself: on two machines, which are two of its agents here, and with a wrong setting."""

from __future__ import annotations

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
    """An agent of torchrun, which meets the others at the port, where somebody listens already."""
    place = ["--nnodes", nodes, "--nproc-per-node", processes, "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "tests"]
    words = [*TORCHRUN, *place, "--rdzv-conf", "is_host=0", *TRAIN, *command]
    return subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said_by(*agents: subprocess.Popen[str]) -> list[tuple[str, str]]:
    """What each has printed and said, when all have ended."""
    try:
        return [agent.communicate(timeout=SECONDS) for agent in agents]
    finally:
        for agent in agents:
            agent.terminate()  # with what it has started


@pytest.fixture
def meeting() -> torch.distributed.TCPStore:
    """A place outside of the agents: a port that is free may be taken before one of them listens there."""
    return torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def test_two_machines_train_what_one_process_trains(meeting: torch.distributed.TCPStore, tmp_path: Path) -> None:
    net = "basic-4-1x4-1x8"
    agents = [started(meeting.port, 2, 1, net, "--store", tmp_path / "two") for _ in range(2)]
    said = said_by(*agents)
    assert [agent.returncode for agent in agents] == [0, 0], said
    assert sum("accuracy" in out for out, _ in said) == 1  # the first process answers
    subprocess.run([sys.executable, *TRAIN, net, "--store", str(tmp_path / "one")], check=True, timeout=SECONDS)
    one, two = (Store(tmp_path / name) for name in ("one", "two"))
    ((run, record),) = two.runs()
    assert record.environment()["processes"] == 2
    for name, value in weights(one, run).items():
        torch.testing.assert_close(weights(two, run)[name], value, rtol=1e-3, atol=1e-4)


def test_a_wrong_setting_is_said_once_and_again_in_the_report_of_torchrun(
    meeting: torch.distributed.TCPStore, tmp_path: Path
) -> None:
    process = started(meeting.port, 1, 2, "resnet9", "--store", tmp_path / "store")
    ((out, said),) = said_by(process)
    assert process.returncode == 1 and not out  # torchrun has no other exit code
    before, _, report = said.partition("Traceback (most recent call last)")
    assert before.count("didact: ") == 1 and "net: unknown network 'resnet9'" in before
    assert "traceback : didact: net: unknown network 'resnet9'" in report and "errors.html" not in report
    assert not (tmp_path / "store").exists()
