"""A forecast: the jobs that would train what is missing, with what each takes. Nothing is trained."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from didact import data
from didact.data import training_images
from didact.execution.executor import Executor, Work
from didact.execution.jobs import Job, Outcome, Queue
from didact.execution.keeping import epoch_bytes
from didact.execution.progress import Show
from didact.execution.trial import Trial, tried
from didact.runs.build import network
from didact.runs.foreign import formed
from didact.runs.run import Run
from didact.runs.step_time import step_seconds
from didact.spec import SpecError, digest
from didact.store.answers.series import Keep

STEPS = 20
"""Steps that are timed."""


class Planner(Executor):
    """An executor that notes the jobs, and does none of them. Checks of networks, methods and
    settings come before, as ever.

    Attributes:
        finished: digests of the runs that have a Record.
        jobs: in the order in which they would begin; a job that comes twice is noted once.
    """

    trains = False

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.finished: set[str] = set()
        self.jobs: list[Job] = []

    @property
    def slots(self) -> int:
        return self._slots

    def run(self, queue: Queue, work: Work, show: Show) -> None:
        self.finished |= queue.outcome.records.keys()
        known = {run.digest for job in self.jobs for run in job.runs}
        while (job := queue.next()) is not None:
            groups = tuple(group for group in job.groups if group[0].digest not in known)
            if groups:
                self.jobs.append(replace(job, groups=groups))
            queue.end(job, Outcome())


@dataclass(frozen=True)
class Planned:
    """A job with what it takes.

    Attributes:
        operations: floating-point operations, the teacher's passes once.
        shared: those that the students' own passes of the teacher would add, if each were trained
            alone.
        memory: bytes on the device: weights, gradients, the optimiser's state, activations, the
            images.
        disk: bytes of its Records; ``meanwhile``: of its checkpoints, while it trains.
        answers: bytes of its teacher's answers, if they were kept (logits and pooled vectors).
        again: operations of its teacher's passes that an earlier job does for the same batches.
    """

    job: Job
    operations: float
    shared: float
    memory: int
    disk: int
    meanwhile: int
    answers: int
    again: float

    @property
    def first(self) -> Run:
        """The first run of the job."""
        return self.job.runs[0]


def planned(
    jobs: Sequence[Job], tell: Callable[[str], object] = lambda line: None, trials: dict[str, Trial] | None = None
) -> list[Planned]:
    """What each job takes. Runs that differ in seeds only are counted once.

    Args:
        tell: receives a line for each training that is counted.
        trials: what was counted before, so that several plans share it; what is counted is added.
    """
    trials = {} if trials is None else trials
    seen: set[tuple[object, ...]] = set()
    found: list[Planned] = []
    for job in jobs:
        for run in job.runs:
            if _kind(run) not in trials:
                tell(f"counting {run.label}")
                trials[_kind(run)] = tried(run)
        each = [trials[_kind(run)] for run in job.runs]
        found.append(_planned(job, each, again=job.runs[0].cohort in seen))
        seen.add(job.runs[0].cohort)
    return found


def _kind(run: Run) -> str:
    """What a trial depends on: not on seeds, nor on how the teacher was trained."""
    teacher = None if run.teacher is None else Run(net=run.teacher.net, data=run.data, seed=1, inputs=run.teacher.inputs)
    return digest(replace(run, seed=0, data_seed=0, start=None, route=None, engine=None, teacher=teacher))


def _planned(job: Job, each: Sequence[Trial], *, again: bool) -> Planned:
    first = job.runs[0]
    shown: dict[object, float] = {}  # students that are shown the same share a pass, whatever they read of it
    for run, one in zip(job.runs, each, strict=True):
        what = (run.method.needs.main, run.method.needs.views)
        shown[what] = max(shown.get(what, 0.0), one.teacher)
    teacher = sum(shown.values())
    images = 3 * first.recipe.batch_size if first.teacher is not None else first.recipe.batch_size
    held = sum(one.image for one in each) if len(job.groups) == 1 else max(one.image for one in each)  # one group at a time
    pixels = training_images(first.data) * _pixels(first)
    kept = sum((1 + first.recipe.copies) * one.moving for one in each)
    return Planned(
        job=job,
        operations=teacher + sum(one.own for one in each),
        shared=sum(one.teacher for one in each) - teacher,
        memory=int(kept + each[0].frozen + held * first.recipe.batch_size + images * 4 * _pixels(first) + pixels),
        disk=sum(one.weights for one in each),
        meanwhile=sum(one.weights + one.moving for one in each),
        answers=_answers(job) if first.teacher is not None else 0,
        again=teacher if again else 0.0,
    )


def _pixels(run: Run) -> int:
    channels, height, width = data.facts(run.data).image
    return channels * height * width


def _answers(job: Job) -> int:
    first = job.runs[0]
    assert first.teacher is not None
    with formed(first.teacher):
        shapes = network(first.teacher).shapes(data.facts(first.data).image)
    needs = [stage.needs or run.method.needs for run in job.runs for stage in run.method.stages()]
    return first.epochs * epoch_bytes(needs, Keep(), shapes, training_images(first.data), first.recipe.precision)


@dataclass(frozen=True)
class Speed:
    """How fast one device trains: floating-point operations a second, and where that is from."""

    rate: float
    how: str


def measured(jobs: Sequence[Planned], device: str) -> Speed:
    """Time some steps of the training that computes most, alone, on ``device``.

    Raises:
        SpecError: every run that is missing learns with peers, or is not trained.
    """
    runs = [run for one in sorted(jobs, key=lambda one: one.operations, reverse=True) for run in one.job.runs]
    run = next((run for run in runs if not run.peers and run.given is None), None)
    if run is None:
        raise SpecError(
            "throughput: no missing run is trained alone, so there is none to time; give the billion operations a second of the "
            "device, as in --throughput 100"
        )
    operations = tried(run).first * run.recipe.batch_size
    how = f"measured here by {STEPS} steps of {run.label} in batches of {run.recipe.batch_size}"
    return Speed(operations / step_seconds(run, device, STEPS), how)


def makespan(jobs: Sequence[Planned], seconds: Mapping[int, float], devices: int) -> float:
    """When the last job ends, if each of ``devices`` takes the next job that can begin. Seconds by
    a job's place.
    """
    where = {run.digest: place for place, one in enumerate(jobs) for run in one.job.runs}
    needs = [{where[n.digest] for run in one.job.runs for n in run.needed if n.digest in where} for one in jobs]
    waiting, running, ended, now, free = list(range(len(jobs))), [], set[int](), 0.0, devices
    while waiting or running:
        ready = sorted((place for place in waiting if needs[place] <= ended), key=lambda place: -seconds[place])[:free]
        for place in ready:
            waiting.remove(place)
            heapq.heappush(running, (now + seconds[place], place))
        free -= len(ready)
        now, place = heapq.heappop(running)
        ended.add(place)
        free += 1
    return now
