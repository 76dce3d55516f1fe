"""Jobs on a Ray cluster of two nodes on this machine: the same Records bit by bit, also where a node is killed."""

from __future__ import annotations

import importlib.util
import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from didact.execution import Execution, execute
from didact.execution.executors.ray import Ray
from didact.execution.node import Seen, versions
from didact.execution.progress import Event, JobBegins, Learned
from didact.runs.run import Run, everything
from didact.spec import RequestError, SpecError
from didact.store.store import Store
from support.kept import same, weights
from support.played import Waiting

from ..test_executors import check_error, check_order
from .test_workers import STUDENTS, TEACHERS

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed: the extra [ray]", allow_module_level=True)

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head that does no jobs, and a node of one core. Its token is its own."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "token")
    patch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("OMP_NUM_THREADS", "1")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()
    patch.undo()


def students(*teachers: Run) -> list[Run]:
    return [run for run in STUDENTS if run.teacher in teachers]


@pytest.mark.parametrize(
    "carry", [None, pytest.param(True, marks=pytest.mark.slow)], ids=["shared store", "carried Records"]
)
def test_a_killed_node_changes_no_bit(
    carry: bool | None, cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second node joins, and is killed after both teachers' second epoch: their third waits for that. What Ray prints
    of it is not on standard output.
    """
    killed = tmp_path / "killed"
    waiting = {teacher: replace(teacher, method=Waiting(until=str(killed))) for teacher in TEACHERS}
    runs = [replace(run, teacher=waiting[run.teacher]) for run in STUDENTS if run.teacher]
    joined = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    learned: dict[int, int] = {}

    def show(event: Event) -> None:
        if isinstance(event, Learned):
            learned[event.job] = learned.get(event.job, 0) + 1
        if list(learned.values()) == [2, 2] and not killed.exists():
            cluster.remove_node(joined, allow_graceful=False)
            killed.touch()

    lines: list[str] = []
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there", lines.append)
    executor = Ray(address=cluster.address, carry=carry, keep_seconds=0.0)
    outcome = execute(runs, there, Execution(test_every=99, executor=executor), show)
    assert killed.exists() and not outcome.failures
    assert sum("was lost; it goes on from its last epoch" in line for line in lines) == 1
    execute(runs, here, Execution(test_every=99))
    assert not capsys.readouterr().out
    for run in everything(runs):
        assert same(weights(here, run), weights(there, run))
        assert outcome.records[run.digest].folder.parent == there.root.absolute() / "runs"


@pytest.mark.slow
def test_what_is_there_is_not_trained_again_and_nothing_else_is_carried(cluster: Any, tmp_path: Path) -> None:
    runs = students(TEACHERS[0])
    store, begun = Store(tmp_path), list[Event]()
    execute([runs[0].teacher or runs[0]], store, Execution(test_every=99))
    executor = Ray(address=cluster.address, carry=True)
    outcome = execute(runs, store, Execution(test_every=99, executor=executor), begun.append)
    (job,) = [event for event in begun if isinstance(event, JobBegins)]
    assert {run.digest for run in job.runs} == {run.digest for run in runs}
    assert set(outcome.records) == {run.digest for run in everything(runs)}
    assert sorted(os.listdir(tmp_path / "runs")) == sorted(store.folder(run).name for run in everything(runs))


@pytest.mark.slow
def test_it_is_an_executor_like_others(cluster: Any) -> None:
    check_order(Ray(address=cluster.address))
    check_error(Ray(address=cluster.address))


def test_jobs_that_no_node_has_room_for_are_refused(cluster: Any, tmp_path: Path) -> None:
    for executor in (Ray(address=cluster.address, cpus=64), Ray(address=cluster.address, gpus=1.0)):
        with pytest.raises(RequestError, match="no node of the Ray cluster has room"):
            execute(students(TEACHERS[0]), Store(tmp_path), Execution(executor=executor))


SEEN = Seen("far", versions(), store=False)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (SEEN, "the node far does not see the store; put it on a shared file system"),
        (replace(SEEN, versions=SEEN.versions | {"torch": "1.0"}), r"the node far has torch 1\.0 \(here .*Install the same"),
    ],
    ids=["no store", "another torch"],
)
def test_nodes_that_cannot_be_used_are_refused(
    seen: Seen, message: str, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("didact.execution.cluster._asked", lambda *given: [seen])
    with pytest.raises(RequestError, match=message):
        execute(students(TEACHERS[0]), Store(tmp_path), Execution(executor=Ray(address=cluster.address, carry=False)))
    assert not list(tmp_path.glob(".seen-*"))


@pytest.mark.slow
def test_another_token_is_refused(cluster: Any, tmp_path: Path) -> None:
    """In a process of its own: Ray reads the token once."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    words = f"train --net resnet8 --data.per_class 2 --epochs 1 --on {cluster.address} --store {tmp_path / 'store'}"
    done = subprocess.run(
        [sys.executable, "-m", "didact", *words.split()],
        env=os.environ | {"RAY_AUTH_TOKEN_PATH": str(token)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert "and the token of the cluster in ~/.ray/auth_token" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("store/runs/*"))


def test_an_address_without_a_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"there is no Ray cluster at '127\.0\.0\.1:1'"):
        execute(students(TEACHERS[0]), Store(tmp_path), Execution(executor=Ray(address="127.0.0.1:1")))


def test_a_gpu_wants_a_share_of_one() -> None:
    with pytest.raises(SpecError, match=r"write Ray\(gpus=1\)"):
        Ray().check("cuda")


def test_a_token_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from didact.execution.cluster import private_token

    token = tmp_path / "folder" / "token"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    private_token(create=True)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600 and len(token.read_text()) >= 32
    private_token(create=True)
    token.chmod(0o644)
    with pytest.raises(RequestError, match="can be read by other users"):
        private_token(create=False)


@pytest.mark.slow
def test_a_cluster_on_this_machine_needs_nothing_else(tmp_path: Path) -> None:
    """``didact train --on ray``; its token is written for nobody else to read."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment = kept | {"HOME": str(tmp_path)}
    words = "train --net resnet8 --teacher.net resnet8 --data.per_class 2 --epochs 1 --on ray --json"
    done = subprocess.run(
        [sys.executable, "-m", "didact", *words.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert len(os.listdir(tmp_path / "didact-runs" / "runs")) == 2
    assert stat.S_IMODE((tmp_path / ".ray" / "auth_token").stat().st_mode) == 0o600
