"""Jobs in this process, one after the other."""

from __future__ import annotations

from didact.execution.executor import Executor, Work
from didact.execution.jobs import Queue
from didact.execution.progress import Show
from didact.spec import spec


@spec
class Here(Executor):
    """Every job in the process of the caller, in order."""

    def run(self, queue: Queue, work: Work, show: Show) -> None:
        while (job := queue.next()) is not None:
            queue.end(job, work(job, show=show))
