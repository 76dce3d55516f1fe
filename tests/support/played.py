"""For tests of executors: work and images that other processes can import. Most of the work trains nothing."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from didact.data import ImageSet
from didact.execution.jobs import Job, Outcome
from didact.execution.progress import Event, JobBegins, JobEnds, Learned, Said, Show
from didact.execution.work import WorkSettings, work
from didact.method import StepContext
from didact.methods.ce import CE
from didact.runs.run import Run
from didact.spec import spec
from didact.store.record import Record
from didact.tensors import Needs, reads


def noise() -> ImageSet:
    """Eight images to train on, two to test on, of two classes. A process imports it sooner than the digits."""
    pixels = np.random.default_rng(0).integers(0, 256, (10, 1, 16, 16), dtype=np.uint8)
    labels = np.arange(10) % 2
    return ImageSet((pixels[:8], labels[:8]), (pixels[8:], labels[8:]))


@dataclass(frozen=True)
class Played:
    """Trains nothing: says which runs a job has, and fails those in ``failing``.

    Attributes:
        deadly: runs that end their process, with exit code 3.
        error: raised by every job.
    """

    failing: tuple[Run, ...] = ()
    deadly: tuple[Run, ...] = ()
    error: Exception | None = None

    def __call__(self, job: Job, *, show: Show) -> Outcome:
        show(JobBegins(job.number, job.runs, None))
        show(Said(job.number, " ".join(run.digest for run in job.runs)))
        if self.error is not None:
            raise self.error
        if set(self.deadly) & set(job.runs):
            os._exit(3)
        show(JobEnds(job.number))
        failures = {run.digest: "NaN" for run in job.runs if run in self.failing}
        return Outcome({run.digest: Record(Path()) for run in job.runs if run not in self.failing}, failures)


@dataclass(frozen=True)
class Killed:
    """Trains; the process is killed, once, after an epoch of ``run``. The file ``killed`` is made then."""

    settings: WorkSettings
    run: Run
    killed: Path

    def __call__(self, job: Job, *, show: Show) -> Outcome:
        def watch(event: Event) -> None:
            show(event)
            if isinstance(event, Learned) and event.run == self.run.digest and not self.killed.exists():
                self.killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)

        return work(job, self.settings, watch)


@spec
class Waiting(CE):
    """Cross entropy; after ``free`` epochs the training waits until the file ``until`` is there."""

    until: str
    free: int = 2

    def terms(self, extras: nn.Module, context: StepContext) -> dict[str, Tensor]:
        while context.clock.total >= self.free and not os.path.exists(self.until):
            time.sleep(0.01)
        return super().terms(extras, context)


@spec
class OwnImages(CE):
    """Cross entropy on an augmentation of its own."""

    @property
    def needs(self) -> Needs:
        return reads("logits", own_images=True)
