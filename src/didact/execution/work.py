"""The work of one job: its runs are locked, read or put where they were, trained, and left as
Records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from didact import data
from didact.engine.learner import Learner
from didact.engine.parallel.group import current
from didact.engine.parallel.processes import Processes
from didact.engine.train import Cohort, Fixed, train
from didact.execution import engines, given, manner, routes
from didact.execution.jobs import Group, Job, Outcome
from didact.execution.keeping import Kept
from didact.execution.kernels import kernels
from didact.execution.progress import JobBegins, JobEnds, Reporter, Said, Show, unseen
from didact.execution.recorder import Recorder
from didact.execution.settings import Execution
from didact.files.checked import DamagedError
from didact.method import Teacher
from didact.nets.blocks import BlockNet
from didact.nets.shown import adaptation
from didact.runs.build import begin, beginning, extras, pair
from didact.runs.foreign import foreign
from didact.runs.run import Run
from didact.spec import plural
from didact.store.record import Record
from didact.store.store import Store
from didact.store.upkeep.locks import locked
from didact.store.writing.unfinished import Unfinished

LARGE = 2**20
"""Buffers of at least this many bytes are reported before training."""


@dataclass(frozen=True)
class WorkSettings:
    """What all jobs of a request have in common. A plain value, which can be pickled.

    Attributes:
        root, trust, named: of the store, as :class:`didact.store.store.Store` takes them.
        noted: names of the user's own code that has changed, where that has been said.
    """

    root: Path
    trust: bool
    named: frozenset[str]
    noted: frozenset[str]
    execution: Execution


@dataclass(frozen=True)
class StoreWork:
    """The work of a request's jobs in its store. It can be pickled."""

    settings: WorkSettings

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self.settings.root

    def at(self, root: Path) -> StoreWork:
        """The same work in the store ``root``."""
        return StoreWork(replace(self.settings, root=root))

    def __call__(self, job: Job, *, show: Show) -> Outcome:
        return work(job, self.settings, show)


def work(job: Job, settings: WorkSettings, show: Show = unseen) -> Outcome:
    """Records of the job's runs, or why they stopped. While another process trains one of them, it
    waits.

    ``job``, ``settings``, the outcome and all events are plain values, so this may run in another
    process.

    Raises:
        RequestError: code of the user's own was edited since a run that is needed was trained.
        OSError: the store cannot be written. What was kept before stays, and the work goes on from
            there.
    """

    def say(text: str) -> None:
        show(Said(job.number, text))

    store = Store(settings.root, say, trust=settings.trust, named=settings.named, noted=settings.noted)
    with locked(store, [group[0] for group in job.groups]):  # the first stands for its group
        outcome = Outcome()
        for run in job.runs:
            record = _repaired(store, run)  # another process may have finished it while we waited
            if record is not None:
                outcome.records[run.digest] = record
        groups = [group for group in job.groups if any(run.digest not in outcome.records for run in group)]
        if groups:
            part = Part(tuple(groups), job, settings)
            current().agree(lambda: part)  # the other processes wait for it
            _train(part, store, outcome, show)
    return outcome


@dataclass(frozen=True)
class Part:
    """What the processes of a training do together: the groups of a job that are to be trained."""

    groups: tuple[Group, ...]
    job: Job
    settings: WorkSettings

    def follow(self) -> None:
        """Take part in a process that is not the first: it reads the store, and writes nothing."""
        settings = self.settings
        silent = Store(settings.root, lambda line: None, trust=settings.trust, named=settings.named, noted=settings.noted)
        _train(self, silent, Outcome(), unseen)


def _repaired(store: Store, run: Run) -> Record | None:
    """The run's Record; a damaged one is moved out of the way. For a run that is locked."""
    try:
        return store.record(run)
    except DamagedError as error:
        Unfinished(store, run).run_folder.put_aside(error)
        return None


def _train(part: Part, store: Store, outcome: Outcome, show: Show) -> None:
    """Train groups to their end; ``outcome`` gets what comes of them. Of several processes the
    first writes.
    """
    execution, processes = part.settings.execution, current()
    first, device = part.groups[0][0], processes.device(execution.device)
    writes = processes.rank == 0
    if first.given is not None:  # alone in its cohort
        if writes:
            outcome.records[first.digest] = given.keep(first, store, data.load(first.data, device), device, execution)
        return
    dataset = data.load(first.data, device)
    net = None if first.teacher is None else _frozen(store.load(first.teacher)[0], device)
    about = manner.circumstances([run for group in part.groups for run in group], execution)
    recorder = Recorder(store, dataset, outcome, part.job.anchors, about)
    groups, learner_runs = _admitted(part, recorder, net, processes)
    active = tuple(group for group in groups if not group[0].done)
    if not active:
        return
    learners = [learner for group in active for learner in group]
    runs = [learner_runs[learner.label] for learner in learners]
    teacher = _teacher(runs[0], net, store, dataset, device)
    if runs[0].engine is not None and writes:
        engines.compare(runs[0], net, teacher, store, dataset)
    own_code = bool(first.teacher and foreign(first.teacher))
    decoders = data.usual_decoders() // processes.local_size if execution.decoders is None else execution.decoders
    if isinstance(dataset.train, data.Streamed) or isinstance(dataset.unlabelled, data.Streamed):
        store.say(f"{dataset.data.title}: images are decoded by {plural(decoders, 'more worker')} while networks train")
    if isinstance(dataset.train, data.Split) and not dataset.train.resident:
        store.say(f"{dataset.data.title}: images do not fit on {device}; they stay in main memory, and batches go there")
    loader = _loader(runs, dataset, learners, decoders)
    kept = _kept(runs[0], learners, teacher, store, dataset, len(loader), execution)
    cohort = Cohort(active, loader, teacher, own_code, kept)
    reporter = Reporter(part.job.number, {label: run.digest for label, run in learner_runs.items()}, show)
    show(JobBegins(part.job.number, tuple(runs), first.teacher))
    try:
        how = manner.manner(runs, len(active), execution, device, store.say)
        with kernels(deterministic=execution.deterministic, tf32=manner.tf32(runs[0], device)):
            train(cohort, dataset, [recorder, reporter] if writes else [], manner=how)
    finally:
        loader.close()
        show(JobEnds(part.job.number))


def _admitted(
    part: Part, recorder: Recorder, teacher: BlockNet | None, processes: Processes
) -> tuple[list[tuple[Learner, ...]], dict[str, Run]]:
    """The learners that are to be trained, in the state of their last checkpoints, and their runs
    by label.

    The first process reads the checkpoints; the others are given its learners' states.
    """
    store, execution = recorder.store, part.settings.execution
    device = processes.device(execution.device)
    learners: dict[str, Learner] = {}
    runs: dict[str, Run] = {}
    for group in part.groups:
        made = {run: _learner(run, store, teacher, recorder.dataset, execution) for run in group}
        if processes.rank == 0:
            recorder.admit(made, device)
        learners |= {learner.label: learner for learner in made.values()}
        runs |= {learner.label: run for run, learner in made.items()}
    _say_memory(store, recorder.learners.values())
    if processes.size == 1:
        return recorder.groups, recorder.runs
    labels = processes.agree(lambda: [[one.label for one in group] for group in recorder.groups])
    groups = [tuple(learners[label] for label in group) for group in labels]
    for learner in (learner for group in groups for learner in group):
        state = processes.agree(lambda learner=learner: learner.state())
        if processes.rank:
            learner.restore(*state)
    return groups, runs


def _teacher(run: Run, net: BlockNet | None, store: Store, dataset: data.Dataset, device: str) -> Teacher | None:
    """The teacher of a cohort: along a route, the same network throughout, or none."""
    prepare = engines.preparing(run, dataset)
    if run.route is not None:
        return routes.along(run, store, dataset, lambda net: _frozen(net, device), prepare)
    return None if net is None else Fixed(net, prepare)


def _kept(
    run: Run,
    learners: Sequence[Learner],
    teacher: Teacher | None,
    store: Store,
    dataset: data.Dataset,
    steps: int,
    execution: Execution,
) -> Kept | None:
    """The kept answers of a cohort's teacher, where they are asked for. What they take on disk is
    said before training.
    """
    if execution.keep is None or teacher is None or run.teacher is None:
        return None
    record = store.get(run.teacher)
    assert record is not None, "a teacher is trained before its students"
    kept = Kept(run, teacher, record, store, dataset, execution.keep, steps=steps, deterministic=execution.deterministic)
    store.say(kept.size(learners, teacher.at(learners[0].total).shapes(dataset.image)))
    return kept


def _frozen(net: BlockNet, device: str) -> BlockNet:
    """A teacher's network on the device."""
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.requires_grad_(False)


def _learner(run: Run, store: Store, teacher: BlockNet | None, dataset: data.Dataset, execution: Execution) -> Learner:
    net = beginning(run)
    if (shown := adaptation(net)) is not None:
        shown.given(dataset.mean, dataset.std)
    if run.start is not None and run.start.run is not None:
        record = store.get(run.start.run)
        assert record is not None, "what a run needs is trained before it"
        begin(net, record.weights()[0], run.start.part)
    added = extras(run, pair(run, net, teacher, dataset.train.labels.cpu()))
    return Learner(
        label=f"{run.label}.{run.digest}",
        net=net,
        method=run.method,
        extras=added,
        recipe=run.recipe,
        seed=run.own_seed,
        device=current().device(execution.device),
        compiled=execution.compiled,
        foreign=bool(foreign(run)),
        processes=current(),
    )


def _loader(
    runs: Sequence[Run], dataset: data.Dataset, learners: Sequence[Learner], decoders: int
) -> data.Loader | data.MixedLoader | data.PartlyLabelled:
    """The batches of a cohort: all share order and augmentation, and some learners have an
    augmentation of their own as well.
    """
    views = frozenset().union(*(learner.views for learner in learners))
    own = {one.label: run.rendering_seed for run, one in zip(runs, learners, strict=True) if one.own_images}
    shared = {"batch_size": runs[0].recipe.batch_size, "data_seed": runs[0].data_seed}
    if dataset.unlabelled is not None:
        mixing = runs[0].recipe.mixing
        return data.PartlyLabelled(dataset, mixing, **shared, views=views, renderings=own, decoders=decoders)
    loader = data.Loader(dataset, **shared, views=views, renderings=own, decoders=decoders)
    return data.mixing_loader(loader, runs[0].recipe.mixing, dataset.classes)


def _say_memory(store: Store, learners: Iterable[Learner]) -> None:
    """Report large buffers of extras (CRD's banks) before training: they are written with every
    checkpoint.
    """
    for learner in learners:
        large = {name: b.nbytes for name, b in learner.extras.named_buffers() if b.nbytes >= LARGE}
        if large and not learner.done:
            size = sum(large.values()) / 2**20
            store.say(f"{learner.label} remembers {size:.0f} MiB beside its network: {', '.join(large)}")
