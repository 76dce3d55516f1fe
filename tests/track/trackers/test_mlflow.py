"""Runs of MLflow in a database of its own, read back by MLflow itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from didact.execution import Execution, execute
from didact.execution.progress import unseen
from didact.spec import RequestError
from didact.store.store import Store
from didact.track.choice import trackers
from didact.track.tracker import Tracked
from didact.track.trackers import mlflow as module
from support.followed import EVENTS, FIRST, GOES_ON, INTERRUPTED, SECOND, followed

tracking = pytest.importorskip("mlflow.tracking", reason="mlflow is not installed")
pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


def runs(client: Any) -> dict[str, Any]:
    experiment = client.get_experiment_by_name("didact")
    return {run.data.tags["didact.digest"]: run for run in client.search_runs([experiment.experiment_id])}


def test_runs_with_their_settings_metrics_and_states_in_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # does not send anything anywhere
    (tracker,) = trackers(["mlflow"], tmp_path).values()
    assert followed(tracker, INTERRUPTED) == [] and followed(tracker, GOES_ON) == [] and followed(tracker, EVENTS[:1]) == []
    client = tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    found = runs(client)
    assert found.keys() == {FIRST.digest, SECOND.digest}
    one = found[FIRST.digest]
    assert one.data.params["recipe.batch_size"] == "16" and one.data.params["teacher.net"] == "resnet8"
    assert one.data.metrics["test_top1"] == 61.5 and one.info.run_name == "resnet8.kd.s0"
    history = client.get_metric_history(one.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5)]
    assert found[SECOND.digest].info.status == "KILLED"


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    (tracker,) = trackers([f"mlflow:sqlite:///{tmp_path / 'own.db'}"], tmp_path).values()
    assert followed(tracker) == []
    found = runs(tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'own.db'}"))
    assert found[SECOND.digest].data.tags["didact.failed"] == "epoch 2: NaN"
    assert [found[one.digest].info.status for one in (FIRST, SECOND)] == ["FINISHED", "FAILED"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_dies_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("flask", reason="the package mlflow, which has the server, is not installed")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    server = subprocess.Popen(
        command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        tracker = reached(f"mlflow:{address}", tmp_path)
        assert followed(tracker, INTERRUPTED) == []
        assert capfd.readouterr().out == ""  # standard output is for tables and JSON
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    store, said = Store(tmp_path / "store"), list[str]()
    with Tracked(unseen, {"mlflow": tracker}, said.append) as show:
        assert not execute([FIRST], store, Execution(), show).failures
    assert store.opened(FIRST) is not None and len(said) == 1 and "mlflow is no longer fed" in said[0]
    found = runs(tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'server.db'}"))
    assert found[FIRST.digest].data.metrics["loss"] == 1.0 and found[FIRST.digest].info.status == "KILLED"


def reached(text: str, root: Path) -> Any:
    """The tracker, once its server has started."""
    while True:
        try:
            return next(iter(trackers([text], root).values()))
        except RequestError:
            time.sleep(1.0)


def test_a_server_that_is_not_there_is_an_error_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RequestError, match="MLflow cannot open 'http:"):
        trackers(["mlflow:http://127.0.0.1:9"], tmp_path)
    assert module._QUIET["MLFLOW_DISABLE_TELEMETRY"] == "true"
