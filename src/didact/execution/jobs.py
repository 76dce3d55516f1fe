"""Jobs: which runs are trained together, in which order, and what each job waits for. Plain values;
nothing here trains.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from didact.runs.run import Run, depth, everything
from didact.runs.work import held, work
from didact.store.record import Record

Group = tuple[Run, ...]
"""Runs that read each other's outputs while they are trained; most are alone."""
ROOM = 0.6
"""Share of the memory for what learners hold; the rest is for images, activations and the teacher."""
WORTH = 0.8
"""A cohort is divided where its longer part takes at most this share of its time."""


@dataclass(frozen=True)
class Job:
    """The work of one cohort.

    Attributes:
        number: its place among the jobs of the request.
        groups: runs that can share batches and a teacher's pass.
        needs: numbers of earlier jobs that have to end before it begins.
        anchors: by digest of a run, the epochs after which its network is kept for students along
            its route.
    """

    number: int
    groups: tuple[Group, ...]
    needs: frozenset[int] = frozenset()
    anchors: Mapping[str, frozenset[int]] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of the job, group by group."""
        return tuple(run for group in self.groups for run in group)


@dataclass(frozen=True)
class Outcome:
    """What came of a request, or of one of its jobs.

    Attributes:
        records: by digest, every run that is finished.
        failures: by digest, why a run stopped, or which of the runs it needs did.
    """

    records: dict[str, Record] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def schedule(
    runs: Iterable[Run],
    finished: Collection[str],
    failed: Mapping[str, str],
    cohort_size: int,
    slots: int = 1,
    memory: int | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> tuple[list[Job], dict[str, str]]:
    """The jobs that train what is missing of ``runs`` and all they need: teachers first, then by
    first appearance.

    Args:
        finished: digests of the runs that have a Record.
        failed: by digest, why a run failed before; it is not trained again.
        cohort_size: the largest number of runs in a job; a group is never divided.
        slots: how many jobs can run at once. Cohorts are divided while there are fewer, where that
            ends the training earlier.
        memory: bytes of the device, which all jobs that run at once share; None where that is not
            known.
        say: receives a line for a cohort that is divided because it does not fit into the memory.

    Returns:
        The jobs in an order in which they can run, and by digest why a missing run has no job.
    """
    needed = everything(list(runs))
    missing = [run for run in needed if run.digest not in finished]
    anchors = _anchors(needed)
    jobs: list[Job] = []
    failures: dict[str, str] = {}
    for level in sorted({depth(run) for run in missing}):
        groups = {run.group[0].digest: run.group for run in missing if depth(run) == level}
        ready: list[Group] = []
        for group in groups.values():
            reason = _blocked(group, failures) or _remembered(group, failed)
            if reason is None:
                ready.append(group)
            else:
                failures |= {run.digest: reason for run in group if run.digest not in finished}
        cohorts = list(_cohorts(ready, cohort_size))
        if memory is not None:
            cohorts = fitting(cohorts, int(ROOM * memory) // slots, say)
        for cohort in divided(cohorts, slots):
            jobs.append(_job(cohort, jobs, anchors))
    return jobs, failures


def _anchors(runs: Iterable[Run]) -> dict[str, frozenset[int]]:
    """By digest of a teacher, the epochs that routes take; without its end, which its Record has."""
    epochs: dict[str, frozenset[int]] = {}
    for run in runs:
        if run.teacher is not None and run.route is not None:
            known = epochs.get(run.teacher.digest, frozenset())
            epochs[run.teacher.digest] = known | set(run.anchors[:-1])
    return epochs


def _cohorts(groups: Iterable[Group], cohort_size: int) -> Iterator[tuple[Group, ...]]:
    """Groups whose runs can share batches and a teacher's pass, at most ``cohort_size`` runs at a
    time.
    """
    alike: dict[Any, list[Group]] = {}
    for group in groups:
        alike.setdefault(group[0].cohort, []).append(group)
    for members in alike.values():
        cohort: list[Group] = []
        for group in members:
            if cohort and sum(map(len, cohort)) + len(group) > cohort_size:
                yield tuple(cohort)
                cohort = []
            cohort.append(group)
        yield tuple(cohort)


def divided(cohorts: list[tuple[Group, ...]], slots: int) -> list[tuple[Group, ...]]:
    """The cohorts, the longest ones divided until there are ``slots``.

    Each part has a pass of the teacher of its own. So a cohort is divided only where its longer
    part takes at most :data:`WORTH` of the whole; where the teacher's pass dominates, it stays
    together.
    """
    cohorts = list(cohorts)
    while len(cohorts) < slots:
        best: tuple[float, int, tuple[tuple[Group, ...], tuple[Group, ...]]] | None = None
        for place, cohort in enumerate(cohorts):
            whole, halves = load(cohort), _halves(cohort)
            if min(map(len, halves)) and max(map(load, halves)) <= WORTH * whole and (best is None or whole > best[0]):
                best = (whole, place, halves)
        if best is None:
            break
        cohorts[best[1] : best[1] + 1] = best[2]
    return cohorts


def fitting(
    cohorts: Iterable[tuple[Group, ...]], memory: int, say: Callable[[str], object] = lambda line: None
) -> list[tuple[Group, ...]]:
    """The cohorts, halved until what their learners hold fits into ``memory`` bytes; a single group
    stays.
    """
    found: list[tuple[Group, ...]] = []
    for cohort in cohorts:
        parts = [cohort]
        while (large := next((part for part in parts if len(part) > 1 and _held(part) > memory), None)) is not None:
            place, middle = parts.index(large), len(large) // 2
            parts[place : place + 1] = [large[:middle], large[middle:]]
        if len(parts) > 1:
            say(
                f"{sum(map(len, cohort))} learners ({cohort[0][0].label} and so on) hold {_held(cohort) / 1e9:,.1f} GB together, "
                f"and a job may take {memory / 1e9:,.1f} GB of memory: they train in {len(parts)} jobs"
            )
        found += parts
    return found


def _held(groups: Iterable[Group]) -> int:
    return sum(held(run) for group in groups for run in group)


def load(groups: Iterable[Group]) -> float:
    """Multiply-accumulates of a cohort: of all its networks, and of the longest row of its
    teacher's passes.
    """
    works = [work(run) for group in groups for run in group]
    return float(sum(one.own for one in works) + max((one.teacher for one in works), default=0))


def _halves(groups: Sequence[Group]) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
    """Two parts of about the same load, each in the order of ``groups``."""
    parts: tuple[list[Group], list[Group]] = ([], [])
    for group in sorted(groups, key=lambda one: load([one]), reverse=True):
        min(parts, key=lambda part: load(part)).append(group)
    first, second = (tuple(group for group in groups if group in part) for part in parts)
    return first, second


def _job(groups: tuple[Group, ...], earlier: Sequence[Job], anchors: Mapping[str, frozenset[int]]) -> Job:
    members = [run for group in groups for run in group]
    needed = {other.digest for run in members for other in run.needed}
    needs = frozenset(job.number for job in earlier if not needed.isdisjoint(run.digest for run in job.runs))
    own_anchors = {run.digest: anchors[run.digest] for run in members if run.digest in anchors}
    return Job(len(earlier), groups, needs, own_anchors)


def _blocked(group: Group, failures: Mapping[str, str]) -> str | None:
    """Why a group cannot be trained: a run that it needs failed."""
    for run in group:
        for needed in run.needed:
            if needed.digest in failures:
                return f"needs {needed.label}, which failed: {failures[needed.digest]}"
    return None


def _remembered(group: Group, failed: Mapping[str, str]) -> str | None:
    """Why a run of the group failed before."""
    for run in group:
        if run.digest in failed:
            return f"{failed[run.digest]} (so it was before; --retry goes on from its last good state)"
    return None


class Queue:
    """Jobs that wait and jobs that run. It says which job can begin now, and collects what came of
    the jobs.

    Args:
        jobs: in order; a job comes after those that it needs.
        outcome: what is known before the first job; outcomes of jobs are added.
    """

    def __init__(self, jobs: Iterable[Job], outcome: Outcome) -> None:
        self.outcome = outcome
        self._waiting = {job.number: job for job in jobs}
        self._running: set[int] = set()

    def next(self) -> Job | None:
        """The first job that can begin now, without the groups that need a failed run; None when no
        job can.

        While jobs run, a later call may give one.
        """
        for number, job in list(self._waiting.items()):
            if job.needs & (self._running | self._waiting.keys()):
                continue
            del self._waiting[number]
            job = self._trainable(job)
            if job.groups:
                self._running.add(number)
                return job
        return None

    def _trainable(self, job: Job) -> Job:
        """The job without the groups that need a failed run. These fail, too."""
        groups: list[Group] = []
        for group in job.groups:
            reason = _blocked(group, self.outcome.failures)
            if reason is None:
                groups.append(group)
            else:
                unfinished = [run for run in group if run.digest not in self.outcome.records]
                self.outcome.failures.update({run.digest: reason for run in unfinished})
        return replace(job, groups=tuple(groups))

    def end(self, job: Job, outcome: Outcome) -> None:
        """Take what came of a job that :meth:`next` gave. A Record of one of its runs that is set
        aside is forgotten.
        """
        self._running.remove(job.number)
        for run in job.runs:
            self.outcome.records.pop(run.digest, None)
        self.outcome.records.update(outcome.records)
        self.outcome.failures.update(outcome.failures)
