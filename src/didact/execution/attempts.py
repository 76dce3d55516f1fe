"""The events of jobs on nodes, put in order: a job may be attempted several times, and a node that
dies takes messages with it.
"""

from __future__ import annotations

from didact.execution.jobs import Job
from didact.execution.node import Begun, Sent
from didact.execution.progress import EpochBegins, Event, Failed, JobBegins, JobEnds, Said, Show, StepEnds


class Attempts:
    """Passes the events of all jobs on to ``show``, so that those of one job come as a local job
    sends them: first :class:`JobBegins`, last :class:`JobEnds`, each once.
    """

    def __init__(self, show: Show) -> None:
        self.show = show
        self.jobs: dict[int, Job] = {}
        self.last: dict[int, Begun] = {}
        """The last attempt at each job."""
        self.given_up: set[str] = set()
        """Attempts before the last."""
        self.begun: set[int] = set()
        """Jobs whose training is shown as begun and not as ended."""
        self.counting: set[int] = set()
        """Jobs whose epoch is shown as begun."""

    def add(self, job: Job) -> None:
        """The job was given to the cluster."""
        self.jobs[job.number] = job

    def close(self, job: Job) -> None:
        """The outcome of the job is there; what comes of it later is left out."""
        del self.jobs[job.number]
        self._end(job.number)

    def receive(self, message: Begun | Sent) -> None:
        """Show the message, unless it is of an attempt before the last: that node was given up."""
        if isinstance(message, Begun):
            self._begin(message)
        elif message.event.job in self.jobs and message.attempt not in self.given_up:
            last = self.last.get(message.event.job)
            if last is None or message.attempt != last.attempt:
                self._begin(Begun(message.event.job, "another node", message.attempt))
            self._pass_on(message.event)

    def lose(self, job: Job, reason: str) -> None:
        """The job is not attempted again: its runs have failed."""
        if job.number in self.begun:
            for run in job.runs:
                self.show(Failed(job.number, run.digest, reason))

    def end(self) -> None:
        """Nothing more comes."""
        for number in list(self.begun):
            self._end(number)

    def _begin(self, attempt: Begun) -> None:
        before = self.last.get(attempt.job)
        if before is not None and before.attempt == attempt.attempt:
            return  # a call that Ray has repeated
        self.last[attempt.job] = attempt
        if before is None:
            return
        self.given_up.add(before.attempt)
        self._end(attempt.job)
        self.show(Said(attempt.job, f"the job on {before.host} was lost; it goes on from its last epoch on {attempt.host}"))

    def _pass_on(self, event: Event) -> None:
        match event:
            case JobBegins(job):
                self._end(job)
                self.begun.add(job)
                self.show(event)
            case JobEnds(job):
                self._end(job)
            case Said():
                self.show(event)
            case StepEnds(job) if job not in self.counting:
                pass  # the beginning of its epoch was lost; the next one comes
            case _:
                self._announce(event.job)
                if isinstance(event, EpochBegins):
                    self.counting.add(event.job)
                self.show(event)

    def _announce(self, number: int) -> None:
        """Show the beginning of a job where the message of it was lost."""
        if number in self.begun:
            return
        runs = self.jobs[number].runs
        self.begun.add(number)
        self.show(JobBegins(number, runs, runs[0].teacher))

    def _end(self, number: int) -> None:
        self.counting.discard(number)
        if number in self.begun:
            self.begun.discard(number)
            self.show(JobEnds(number))
