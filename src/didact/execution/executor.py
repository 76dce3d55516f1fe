"""The interface of executors: what runs the jobs of a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

from didact.execution.jobs import Job, Outcome, Queue
from didact.execution.progress import Show
from didact.spec import Named


class Work(Protocol):
    """Does one job: :func:`didact.execution.work.work` with its settings. It can be pickled."""

    def __call__(self, job: Job, *, show: Show) -> Outcome: ...


class Executor(Named, ABC):
    """Where jobs run: in this process, in others, on other machines. Subclasses are frozen
    dataclasses (``spec``), one a file.
    """

    homes: ClassVar[tuple[str, ...]] = ("didact.execution.executors",)

    trains: ClassVar[bool] = True
    """Whether jobs are done. Otherwise neither the data nor a store that can be written is needed."""

    @property
    def slots(self) -> int:
        """How many jobs can run at once."""
        return 1

    def check(self, device: str) -> Sequence[str]:
        """Refuse, before anything is trained, what this executor cannot do on the device. Returns
        lines for the user.

        Raises:
            SpecError: the message says what to write instead.
        """
        return ()

    @abstractmethod
    def run(self, queue: Queue, work: Work, show: Show) -> None:
        """Run all jobs of ``queue``.

        Each job that :meth:`Queue.next` gives is one call of ``work``, wherever that runs; its
        outcome goes to :meth:`Queue.end`. Queue and ``show`` are used in the process and the thread
        of the caller only; events of other processes are brought here. An error of a job, or an
        interrupt, ends the other jobs and is raised.
        """
