"""What Ray runs for the Ray executor: a job on a node, the box that its messages go through, and a
look at the node.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from didact.execution.carried import packed, unpack
from didact.execution.executor import Work
from didact.execution.jobs import Job, Outcome
from didact.execution.progress import Event, Learned, StepEnds
from didact.execution.worker import STEP_SECONDS, Raised, portable


@runtime_checkable
class MovableWork(Work, Protocol):
    """Work that can be done in another store."""

    def at(self, root: Path) -> Work:
        """The same work in the store ``root``."""
        ...


@dataclass(frozen=True)
class Begun:
    """A job has begun on a node; again, as another attempt, where the node that had it died."""

    job: int
    host: str
    attempt: str


@dataclass(frozen=True)
class Sent:
    """An event of an attempt at a job. One that was thought dead may send some after the next has
    begun.
    """

    attempt: str
    event: Event


@dataclass(frozen=True)
class Carried:
    """An outcome of which the runs' folders come as bytes, by name; its Records lie on the node and
    are named only.
    """

    outcome: Outcome
    folders: bytes


class Box:
    """Messages from nodes for the process that asked, and the last checkpoints of jobs on nodes
    without the store.

    Ray may begin a call of it again whose answer nobody waits for any more, and starts an empty box
    where its node died. So messages stay until they are known to have arrived.
    """

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self.first = 0
        """Number of the first message that is still here."""
        self.messages: list[Any] = []
        self.checkpoints: dict[int, bytes] = {}

    def put(self, message: Any) -> None:
        """Add a message."""
        self.messages.append(message)

    def take(self, name: str, arrived: int) -> tuple[str, int, list[Any]]:
        """The name of this box, the number of its messages ever, and those that have not arrived.

        Args:
            name: of the box that the last messages came from; "" at first.
            arrived: how many of that box's messages have arrived.
        """
        if name == self.name and arrived > self.first:
            del self.messages[: arrived - self.first]
            self.first = arrived
        return self.name, self.first + len(self.messages), list(self.messages)

    def flush(self) -> None:
        """Do nothing: who waits for it knows that its earlier calls are done."""

    def keep(self, job: int, folders: bytes) -> None:
        """Keep the unfinished runs of a job."""
        self.checkpoints[job] = folders

    def kept(self, job: int) -> bytes:
        """The unfinished runs of a job, empty where none were kept."""
        return self.checkpoints.get(job, b"")


@dataclass(frozen=True)
class Parcel:
    """What a node needs for a job.

    Attributes:
        job, work: what is done.
        threads: for torch.
        folders: the Records that the job needs, packed; None where the node sees the store.
        names: folders of the job's own runs.
        keep_seconds: a job on a node without the store sends its checkpoints at most this often.
    """

    job: Job
    work: Work
    threads: int
    folders: bytes | None = None
    names: tuple[str, ...] = ()
    keep_seconds: float = 30.0


def run_job(parcel: Parcel, box: Any) -> Outcome | Carried | Raised:
    """Do the job. Its events go into ``box``, the handle of an actor of class :class:`Box`."""
    import ray
    import torch

    torch.set_num_threads(parcel.threads)
    attempt = uuid.uuid4().hex
    box.put.remote(Begun(parcel.job.number, platform.node(), attempt))
    try:
        if parcel.folders is None:
            return parcel.work(parcel.job, show=_Sender(box, attempt))
        return _elsewhere(parcel, box, attempt)
    except BaseException as error:
        return Raised(portable(placed(error)))
    finally:
        ray.get(box.flush.remote())  # the outcome takes another way, and is not to overtake the last events


def placed(error: BaseException) -> BaseException:
    """The error, and of one of the system (a full disk) the machine it is from: that need not be the
    one that asked.
    """
    if not isinstance(error, OSError) or error.strerror is None:
        return error
    files = [error.filename, None, error.filename2] if error.filename2 else [error.filename]
    return OSError(error.errno, f"on the node {platform.node()}: {error.strerror}", *files).with_traceback(
        error.__traceback__
    )


def _elsewhere(parcel: Parcel, box: Any, attempt: str) -> Carried:
    """Do the job in a store of the node's own, which is removed afterwards."""
    import ray

    assert parcel.folders is not None and isinstance(parcel.work, MovableWork)
    with _temporary_store() as root:
        unpack(parcel.folders, root)
        earlier = cast("bytes", ray.get(box.kept.remote(parcel.job.number)))
        if earlier:
            unpack(earlier, root)
        show = _Sender(box, attempt, lambda: packed(root, parcel.names), parcel.keep_seconds)
        outcome = parcel.work.at(root)(parcel.job, show=show)
        return Carried(Outcome(failures=outcome.failures), packed(root, parcel.names))


@contextlib.contextmanager
def _temporary_store() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="didact-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@dataclass
class _Sender:
    """The Show of a job on a node: sends events, few of those that only move a bar, and checkpoints
    from time to time.
    """

    box: Any
    attempt: str
    keep: Callable[[], bytes] | None = None
    every: float = 0.0
    stepped: float = 0.0
    kept: float = field(default_factory=time.monotonic)

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if isinstance(event, StepEnds):
            if now - self.stepped < STEP_SECONDS:
                return
            self.stepped = now
        self.box.put.remote(Sent(self.attempt, event))
        if self.keep is not None and isinstance(event, Learned) and now - self.kept >= self.every:
            self.box.keep.remote(event.job, self.keep())
            self.kept = time.monotonic()


@dataclass(frozen=True)
class Seen:
    """What a node says of itself.

    Attributes:
        host: its name.
        versions: of what computes there.
        store: whether it sees the store.
    """

    host: str
    versions: dict[str, str]
    store: bool


def look(mark: str) -> Seen:
    """What this node is, and whether the file ``mark``, which the asking process has just written,
    is there.
    """
    return Seen(platform.node(), versions(), os.path.exists(mark))


def versions() -> dict[str, str]:
    """Versions on which results depend."""
    import torch

    from didact import __version__

    return {"didact": __version__, "torch": torch.__version__, "Python": platform.python_version()}
