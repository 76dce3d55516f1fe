"""Jobs as tasks of a Ray cluster: on this machine, or on many."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, Strict

from didact.execution.attempts import Attempts
from didact.execution.carried import packed, unpack
from didact.execution.cluster import box, connected, imported, nodes
from didact.execution.executor import Executor, Work
from didact.execution.jobs import Job, Outcome, Queue
from didact.execution.node import Carried, MovableWork, Parcel, run_job
from didact.execution.progress import Show
from didact.execution.worker import Raised
from didact.spec import Count, RequestError, SpecError, spec
from didact.store.store import Store

WAIT_SECONDS = 0.3
"""Between looks at what has come."""


@spec
class Ray(Executor):
    """Each job is a task of a Ray cluster, which finds a node for it. One whose node dies goes on
    at another.

    Where the nodes see the store, they write to it. Where they do not, Records and checkpoints are
    carried.
    """

    address: str = ""
    """"" for a cluster on this machine; or HOST:PORT, ray://HOST:PORT, auto of one that runs."""

    cpus: Count | None = None
    """Cores of each job, and its threads. By default OMP_NUM_THREADS, or where that is not set one."""

    gpus: Annotated[float, Field(ge=0, le=64)] = 0.0
    """GPUs of each job; 0.5 lets two jobs share one."""

    restarts: Annotated[int, Strict(), Field(ge=0, le=100)] = 3
    """How often a job is begun again after its node or its process died. Then its runs fail."""

    carry: bool | None = None
    """Whether Records are carried to the nodes. By default where one of them does not see the
    store.
    """

    keep_seconds: Annotated[float, Field(ge=0)] = 30.0
    """Where they are carried: a job sends its checkpoints back at most this often, and goes on from
    the last one.
    """

    def check(self, device: str) -> Sequence[str]:
        """Refuse what cannot work on any cluster.

        Raises:
            SpecError: Ray is not installed, or jobs for a GPU that ask for none.
        """
        imported(self.address)
        if device.startswith("cuda") and not self.gpus:
            raise SpecError(
                f"on: jobs that compute on {device} need a GPU of their node; write Ray(gpus=1) or a part of one"
            )
        return ()

    @property
    def threads(self) -> int:
        """Of each job."""
        return self.cpus or int(os.environ.get("OMP_NUM_THREADS") or 1)

    def run(self, queue: Queue, work: Work, show: Show) -> None:
        with connected(self.address) as ray:
            self._check_room(ray)
            crew = _Crew(self, ray, queue, work, show)
            try:
                while crew.submit() or crew.tasks:
                    crew.wait()
            finally:
                crew.end()

    def _check_room(self, ray: Any) -> None:
        """Refuse jobs that no node has room for: they would wait for ever."""
        found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(one.get("CPU", 0) >= self.threads and one.get("GPU", 0) >= self.gpus for one in found):
            largest = max((one.get("CPU", 0) for one in found), default=0)
            gpus = max((one.get("GPU", 0) for one in found), default=0)
            raise RequestError(
                f"no node of the Ray cluster has room for a job of {self.threads} cores and {self.gpus:g} GPUs; the largest has "
                f"{largest:g} cores, and {gpus:g} GPUs is the most"
            )


class _Crew:
    """The tasks of a request."""

    def __init__(self, asked: Ray, ray: Any, queue: Queue, work: Work, show: Show) -> None:
        self.asked, self.ray, self.queue, self.work = asked, ray, queue, work
        self.attempts = Attempts(show)
        self.tasks: dict[Any, Job] = {}
        self.box = box(ray)
        self.arrived = ("", 0)
        """The box that the last messages came from, and how many of its own have come."""
        self.store = self._carried_from()
        options: dict[str, Any] = {"num_cpus": asked.threads, "max_retries": asked.restarts}
        self.task = ray.remote(**options, **({"num_gpus": asked.gpus} if asked.gpus else {}))(run_job)

    def _carried_from(self) -> Store | None:
        """The store whose Records are carried; None where all nodes see it."""
        root = getattr(self.work, "root", None)
        seen = nodes(self.ray, root if isinstance(root, Path) else Path())
        blind = [one.host for one in seen if not one.store]
        if self.asked.carry is False or (self.asked.carry is None and not blind):
            if blind:
                raise RequestError(
                    f"the node {blind[0]} does not see the store; put it on a shared file system, or carry it"
                )
            return None
        if not isinstance(self.work, MovableWork) or not isinstance(root, Path):
            raise RequestError(f"the node {(blind or ['?'])[0]} does not see the store, and this work cannot be carried")
        return Store(root)

    def submit(self) -> bool:
        """Give every job that can begin to the cluster; whether there was one."""
        any_new = False
        while (job := self.queue.next()) is not None:
            self.attempts.add(job)
            self.tasks[self.task.remote(self._parcel(job), self.box)] = job
            any_new = True
        return any_new

    def _parcel(self, job: Job) -> Parcel:
        if self.store is None:
            return Parcel(job, self.work, self.asked.threads)
        needed = {run.digest: run for own in job.runs for run in own.needed}.values()
        names = tuple(self.store.folder(run).name for run in job.runs)
        folders = packed(self.store.root, [*(self.store.folder(run).name for run in needed), *names])
        return Parcel(job, self.work, self.asked.threads, folders, names, self.asked.keep_seconds)

    def wait(self) -> None:
        """Pass on what has come.

        Raises:
            BaseException: a job has raised it.
        """
        ready, _ = self.ray.wait(list(self.tasks), num_returns=1, timeout=WAIT_SECONDS)
        self._messages()
        for task in ready:
            job = self.tasks.pop(task)
            outcome = self._outcome(task, job)
            self.attempts.close(job)
            self.queue.end(job, outcome)

    def _outcome(self, task: Any, job: Job) -> Outcome:
        try:
            result = self.ray.get(task)
        except self.ray.exceptions.RayTaskError as error:
            text = str(error).strip().split("\n")[-1][:300]
            raise RequestError(f"a node of the Ray cluster cannot begin a job: {text}") from None
        except self.ray.exceptions.RayError as error:
            self._messages()
            return self._lost(job, error)
        self._messages()
        match result:
            case Raised(error):
                raise error
            case Carried(outcome, folders):
                assert self.store is not None
                unpack(folders, self.store.root)
                records = {run.digest: record for run in job.runs if (record := self.store.record(run)) is not None}
                return Outcome(records, outcome.failures)
            case _:
                return result

    def _messages(self) -> None:
        for message in self._taken():
            self.attempts.receive(message)

    def _taken(self) -> list[Any]:
        try:
            name, number, messages = self.ray.get(self.box.take.remote(*self.arrived), timeout=10.0)
        except (self.ray.exceptions.RayError, self.ray.exceptions.GetTimeoutError):
            return []  # the box's node died; a new box is started, and only messages are lost
        known = self.arrived[1] if name == self.arrived[0] else 0
        self.arrived = (name, number)
        return messages[len(messages) - (number - known) :]

    def _lost(self, job: Job, error: Exception) -> Outcome:
        """The failure of a job whose nodes died too often."""
        kind = type(error).__name__
        reason = f"its node or its process died {self.asked.restarts + 1} times ({kind}); ask again and it goes on"
        self.attempts.lose(job, reason)
        return Outcome(failures={run.digest: reason for run in job.runs})

    def end(self) -> None:
        """Stop what still runs."""
        for task in self.tasks:
            self.ray.cancel(task, force=True)
        self.attempts.end()
        self.ray.kill(self.box)
