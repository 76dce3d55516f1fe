"""Processes that share every batch: the same weights in each, and those of one process; resumed by another number; refusals."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from didact.engine.parallel import group
from didact.engine.parallel.processes import Processes
from didact.engine.recipe import Recipe
from didact.execution import Execution, execute, together
from didact.execution.executors.workers import Workers
from didact.runs.run import Run, everything
from didact.spec import RequestError, SpecError
from didact.store.answers.series import Keep
from didact.store.store import Store
from support import shared
from support.kept import weights

NAMES = [name for name in shared.METHODS if name != "bits"]
TOLERANCE = 1e-5
"""Networks compute in float64 here, and losses are added in float32, to which 1e-7 is one rounding."""


Start = Callable[..., list[subprocess.Popen[str]]]


@pytest.fixture
def started() -> Start:
    """Starts processes of one training, which meet at a place outside of them, as torchrun gives them one."""
    meetings = []

    def start(store: Path, names: str, epochs: int, size: int, *flags: str) -> list[subprocess.Popen[str]]:
        meetings.append(torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False))
        return [shared.start([store, names, str(epochs), *flags], rank, size, meetings[-1].port) for rank in range(size)]

    return start


def ended(processes: list[subprocess.Popen[str]], code: int = 0) -> list[str]:
    """What each process has said, when all have ended."""
    try:
        said = [process.communicate(timeout=240)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    if processes[0].returncode != code:  # the whole text, which a comparison would shorten
        pytest.fail(f"the first process ended with {processes[0].returncode}:\n" + "\n".join(said), pytrace=False)
    return said


def test_two_processes_train_what_one_trains(started: Start, tmp_path: Path) -> None:
    """Weights, memories and figures of all runs, their peers and their teacher. Both processes hold the same bits. One test,
    so that processes are started once.
    """
    one, two = tmp_path / "one", tmp_path / "two"
    begun = started(one, ",".join(NAMES), 1, 1), started(two, ",".join(NAMES), 1, 2)
    _, said = (ended(processes) for processes in begun)
    faults = {}
    runs = everything([shared.made(name) for name in NAMES])
    assert len(runs) > len(NAMES) >= 20
    for run in runs:
        try:
            check_alike(run, Store(one), Store(two))
        except AssertionError as error:
            faults[run.label] = str(error)
        record = Store(two).get(run)
        assert record is not None and record.environment()["processes"] == 2
    assert faults == {}
    assert held(said[0]) == held(said[1])
    assert len(held(said[0])) == len(runs)
    assert "left" not in "".join(said), "threads run on while Python ends, which can abort the process"


def held(said: str) -> list[str]:
    """Checksums of what a process held at the end: networks, extras, optimisers and random streams."""
    return [line for line in said.splitlines() if line.startswith("holds")]


@pytest.mark.slow
def test_ranges_of_8_bits_follow_the_whole_batch(started: Start, tmp_path: Path) -> None:
    """Both processes hold the same bits, and the ranges and weights that one process has, but for rounding: in 8 bits the last
    digit of a float32 decides on a whole step now and then.
    """
    one, two = tmp_path / "one", tmp_path / "two"
    begun = started(one, "bits", 2, 1, "--float32"), started(two, "bits", 2, 2, "--float32")
    _, said = (ended(processes) for processes in begun)
    assert held(said[0]) == held(said[1]) != []
    check_alike(shared.made("bits", 2), Store(one), Store(two), tolerance=1e-2)


def check_alike(run: Run, one: Store, two: Store, tolerance: float = TOLERANCE) -> None:
    """Two Records of a run have the same weights and metrics but for rounding."""
    records = [store.get(run) for store in (one, two)]
    assert None not in records
    expected, found = weights(one, run), weights(two, run)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            found[key], value, rtol=tolerance, atol=tolerance, msg=lambda text, key=key: f"{key}: {text}"
        )
    for before, after in zip(*(record.metrics() for record in records if record), strict=True):
        assert after["terms"] == pytest.approx(before["terms"], rel=tolerance)
        figures = [{k: v for k, v in row.items() if "_top" in k} | row.get("watched", {}) for row in (before, after)]
        assert figures[1] == pytest.approx(figures[0], rel=tolerance)


@pytest.mark.slow
def test_a_training_goes_on_with_another_number_of_processes(started: Start, tmp_path: Path) -> None:
    """Two processes, of which the first is killed, then one; and one that is killed, then two. The other process says so
    at once.
    """
    names = "ce,crd"
    runs = [shared.made(name, 2) for name in names.split(",")]
    down, up = tmp_path / "down", tmp_path / "up"
    begun = started(down, names, 2, 2, "--killed"), started(up, names, 2, 1, "--killed")
    said = ended(begun[0], -9)
    assert "LostError: another process of this training ended or cannot be reached" in said[1]
    assert "the same command continues from the last one" in said[1]
    ended(begun[1], -9)
    again = started(down, names, 2, 1), started(up, names, 2, 2)
    for processes, store, later in zip(again, (down, up), (1, 2), strict=True):
        ended(processes)
        changes = [json.loads(path.read_text()).get("processes_later") for path in store.glob("runs/*/environment.json")]
        assert [{"after_epoch": 1, "processes": later}] in changes
    for run in everything(runs):
        check_alike(run, Store(down), Store(up))


Apart = Callable[..., None]


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> Apart:
    """Puts this process among two that torchrun has started."""

    def put(rank: int = 0, free: int = 1) -> None:
        values = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": free}
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")

    return put


@pytest.mark.parametrize(
    ("execution", "message"),
    [
        (Execution(executor=Workers(count=2)), "torchrun has started 2 processes, which share every batch: leave --workers"),
        (Execution(keep=Keep()), "leave --keep-answers out"),
        (Execution(compiled=True), "leave --compile out"),
        (Execution(device="mps"), "device mps: processes of torchrun train on cpu, or on cuda"),
        (Execution(device="cuda:1"), "device cuda:1"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    execution: Execution, message: str, apart: Apart, tiny: Any, store: Store
) -> None:
    apart()
    with pytest.raises(SpecError, match=message):
        execute([tiny()], store, execution)
    assert not store.root.exists()


def test_gpus_that_are_not_there_are_refused(apart: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SpecError, match="2 processes on this machine, and it has 1 GPUs; write --nproc-per-node 1"):
        group.check("cuda", Processes(0, 2, 0, 2))
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    with pytest.raises(SpecError, match="lacks NCCL"):
        group.check("cuda", Processes(0, 2, 0, 2))


def test_a_port_in_use_is_named(apart: Apart, tiny: Any, store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        apart(free=other.getsockname()[1])
        with pytest.raises(RequestError, match=rf"port {other.getsockname()[1]} of 127\.0\.0\.1 is in use.*--master-port"):
            execute([tiny()], store, Execution())


def test_a_machine_with_other_versions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def others(own: tuple[str, dict[str, str]]) -> list[tuple[str, dict[str, str]]]:
        return [("here", own[1]), ("far", own[1] | {"torch": "1.0"})]

    monkeypatch.setattr(group.exchange, "everyones", others)
    with pytest.raises(RequestError, match=r"far has torch 1\.0, and here has .*install the same versions on all machines"):
        group._compare()


def test_a_machine_that_does_not_see_the_store_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.root.joinpath("locks").mkdir(parents=True)
    monkeypatch.setattr(together.exchange, "firsts", lambda value: value)
    monkeypatch.setattr(together.exchange, "everyones", lambda own: [own, ("far", False)])
    with pytest.raises(RequestError, match=r"far does not see the store .*name a folder that they share"):
        together.check_store(store)
    assert not list(store.root.glob("locks/look-*"))


def test_runs_that_cannot_be_divided_are_refused(tiny: Any) -> None:
    run = tiny("ce")
    small = replace(run, recipe=Recipe(epochs=1, batch_size=5))
    with pytest.raises(SpecError, match="batch_size=5 for 3 processes, and each needs 2 images at least; start fewer"):
        together.check([small], Processes(0, 3))
    with pytest.raises(SpecError, match="'sckd' compares gradients of a whole batch"):
        together.check([tiny("sckd")], Processes(0, 2))
    together.check([run], Processes(0, 8))
    parts = replace(run, recipe=Recipe(epochs=1, batch_size=20, norm_shares=2))
    with pytest.raises(SpecError, match=r"norm_shares=2 for 3 processes.*write recipe\.norm_shares=3, or start 2 processes"):
        together.check([parts], Processes(0, 3))
    together.check([parts], Processes(0, 2))
