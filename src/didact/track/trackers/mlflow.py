"""``mlflow:URI``: a run of MLflow's experiment "didact" for each run, with its settings, metrics and
state. Without a URI it is a folder of the store, and nothing leaves the machine: MLflow's own
environment variables do not change that, and its telemetry is off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from didact.runs.run import Run
from didact.spec import RequestError, cut, installation, shown
from didact.track.tracker import State, settings

EXPERIMENT = "didact"
LONGEST = 500
"""Characters of a setting's value; servers refuse longer ones."""
AT_ONCE = 100
"""Settings in a request; servers refuse more."""
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_STATES = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


def note(where: str) -> str:
    """A line for who expects MLflow's environment variable to be read; "" for others."""
    if where or not os.environ.get("MLFLOW_TRACKING_URI"):
        return ""
    return (
        "mlflow writes to the store's mlflow.db; MLFLOW_TRACKING_URI is not read, since nothing leaves the machine unasked: "
        'write --track "mlflow:$MLFLOW_TRACKING_URI" to send runs there'
    )


def make(where: str, root: Path) -> MLflow:
    """The tracker that sends to ``where``.

    Raises:
        RequestError: MLflow is missing, or cannot open that place.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.tracking import MlflowClient  # type: ignore[import-not-found]
    except ImportError as error:
        raise RequestError(f"track: mlflow cannot be imported ({error}); {installation('mlflow')} brings it") from None
    uri = where or f"sqlite:///{(root / 'mlflow.db').absolute()}"
    try:
        if not where:
            root.mkdir(parents=True, exist_ok=True)
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT, _artifacts(where, root))
    except Exception as error:  # of the library and of the network below it
        reason = cut(" ".join(str(error).split()))
        raise RequestError(f"track: MLflow cannot open {shown(uri)}: {type(error).__name__}: {reason}") from None
    return MLflow(client, experiment)


def _artifacts(where: str, root: Path) -> str | None:
    """Where artifacts would be; didact writes none, and MLflow makes the folder."""
    return None if where else (root / "mlflow").absolute().as_uri()


class MLflow:
    """Sends to an experiment."""

    def __init__(self, client: Any, experiment: str) -> None:
        self._client = client
        self._experiment = experiment
        self._ids: dict[str, str] = {}

    def begins(self, run: Run) -> None:
        """A new run of MLflow, or the one of this digest that was interrupted."""
        from mlflow.entities import Param  # type: ignore[import-not-found]

        self._ids[run.digest] = id_ = self._known(run) or self._new(run)
        values = [Param(name, str(value)[:LONGEST]) for name, value in settings(run).items()]
        for at in range(0, len(values), AT_ONCE):
            self._client.log_batch(id_, params=values[at : at + AT_ONCE])

    def _known(self, run: Run) -> str | None:
        found = self._client.search_runs(
            [self._experiment],
            f"tags.`didact.digest` = '{run.digest}'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        if not found:
            return None
        self._client.update_run(found[0].info.run_id, status="RUNNING")
        return found[0].info.run_id

    def _new(self, run: Run) -> str:
        tags = {"didact.digest": run.digest, "didact.teacher": run.teacher.digest if run.teacher else ""}
        return self._client.create_run(self._experiment, run_name=run.label, tags=tags).info.run_id

    def learned(self, run: Run, epoch: int, figures: Mapping[str, float]) -> None:
        """All figures of the epoch at once."""
        from mlflow.entities import Metric  # type: ignore[import-not-found]

        now = int(time.time() * 1000)
        self._client.log_batch(self._ids[run.digest], metrics=[Metric(k, v, now, epoch) for k, v in figures.items()])

    def ends(self, run: Run, state: State, reason: str) -> None:
        """The state, and the reason of a failure as a tag."""
        id_ = self._ids.pop(run.digest)
        if reason:
            self._client.set_tag(id_, "didact.failed", reason[:LONGEST])
        self._client.set_terminated(id_, _STATES[state])

    def close(self) -> None:
        """Everything has been sent."""
