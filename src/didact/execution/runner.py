"""Records for runs: what a store has is read, what it lacks is trained in cohorts, teachers first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from didact import data
from didact.engine.learner import Learner
from didact.engine.train import Cohort, Fixed, Listener, train
from didact.execution import routes
from didact.execution.recorder import Recorder
from didact.files.checked import DamagedError
from didact.nets.blocks import BlockNet
from didact.runs.build import begin, extras, network, pair
from didact.runs.dry_run import check
from didact.runs.foreign import foreign, involved
from didact.runs.run import Run, depth, everything
from didact.seeds import derive, deterministic
from didact.spec import SpecError, digest
from didact.store.entries import codes
from didact.store.locks import check_writable, locked, most
from didact.store.record import Record
from didact.store.store import Store
from didact.store.unfinished import Unfinished

Group = tuple[Run, ...]
"""Runs that look at each other while they are trained; most are alone."""

LARGE = 2**20
"""Buffers of at least this many bytes are reported before training."""


@dataclass(frozen=True)
class Execution:
    """Where and how runs are computed; no part of what they are, so not in their digests.

    Attributes:
        device: "cpu", "cuda", "cuda:1" ...
        compiled: whether networks are compiled with torch.compile.
        test_every: epochs between evaluations; the last epoch is always evaluated.
        deterministic: whether torch uses deterministic kernels (slower on a GPU; on the CPU they always are).
        cohort_size: the largest number of learners in a cohort; the rest follows. Bounds memory, changes no result.
    """

    device: str = "cpu"
    compiled: bool = False
    test_every: int = 1
    deterministic: bool = False
    cohort_size: int = 16

    def __post_init__(self) -> None:
        for name in ("test_every", "cohort_size"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name.replace('_', '-')}: at least 1, found {getattr(self, name)}")


class Show(Listener, Protocol):
    """A listener that is also told when a cohort begins and ends."""

    def cohort_begins(self, runs: Sequence[Run], teacher: Run | None) -> None: ...
    def cohort_ends(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What came of a request.

    Attributes:
        records: by digest, every asked run that is finished.
        failures: by digest, why a run stopped, or which of the runs it needs did.
    """

    records: dict[str, Record]
    failures: dict[str, str]


def execute(
    runs: Sequence[Run], store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False
) -> Outcome:
    """Records for ``runs`` and all they need, training whatever the store lacks.

    Args:
        runs: what is wanted.
        store: where Records are looked for and kept.
        execution: the device and how to use it.
        show: is told how it goes.
        retry: train runs again that failed before, from their last good state.

    Raises:
        RequestError: a run cannot work (a network and its data, teacher or method do not fit), its data cannot be had, or it is
            half-trained on another kind of device; nothing has been trained.
    """
    store.named |= set().union(*map(codes, runs))
    needed = everything(list(runs))
    outcome = Outcome(_finished(needed, store), {})
    missing = [run for run in needed if run.digest not in outcome.records]
    _check(missing, store, execution, outcome, retry=retry)
    anchors = routes.asked(needed)
    for level in sorted({depth(run) for run in missing}):
        groups = {run.group[0].digest: run.group for run in missing if depth(run) == level}
        ready = [group for group in groups.values() if not _stopped(group, store, outcome, retry=retry)]
        for cohort in _cohorts(ready, min(execution.cohort_size, most())):
            _train_cohort(cohort, store, execution, show, outcome, anchors)
    return outcome


def _finished(runs: Iterable[Run], store: Store) -> dict[str, Record]:
    """By digest, the Records that the store has. A damaged one is left out: it is trained again under its lock."""
    records: dict[str, Record] = {}
    for run in runs:
        with contextlib.suppress(DamagedError):
            record = store.record(run)
            if record is not None:
                records[run.digest] = record
                store.note_changes(run, record)
                with contextlib.suppress(OSError):  # in a store that is only read, leftovers do no harm
                    Unfinished(store, run).sweep()
    return records


def _check(missing: Sequence[Run], store: Store, execution: Execution, outcome: Outcome, *, retry: bool) -> None:
    """Refuse, before any training, whatever cannot work.

    Raises:
        RequestError: as :func:`execute`.
    """
    for run in {digest(replace(run, seed=0, data_seed=0)): run for run in missing}.values():
        for line in check(run):  # once for runs that differ in their seeds only
            store.say(line)
    _check_needed(missing, store, outcome)
    if missing:
        check_writable(store)
    store.check_folders(missing)
    routes.check_kept(missing, store)
    for run in missing:
        if retry or store.failure(run) is None:
            Unfinished(store, run).check_device(execution.device)
    data.available([run.data for run in missing])


def _stopped(group: Group, store: Store, outcome: Outcome, *, retry: bool) -> bool:
    """Whether a run that the group needs failed, or one of its own failed before; the reason is put into ``outcome``."""
    reasons = [_blocked(run, outcome) or (None if retry else _remembered(store.failure(run))) for run in group]
    reason = next(filter(None, reasons), None)
    if reason is not None:
        outcome.failures.update({run.digest: reason for run in group if run.digest not in outcome.records})
    return reason is not None


def _check_needed(missing: Iterable[Run], store: Store, outcome: Outcome) -> None:
    """Refuse finished runs with code of the user's own that was edited and has other weights now, where others begin from them.

    Raises:
        RequestError: the message names the code.
    """
    needed = {one.digest: one for run in missing for one in run.needed if one.digest in outcome.records}
    for one in needed.values():
        if involved(one):
            store.load(one)


def _remembered(reason: str | None) -> str | None:
    return reason and f"{reason} (so it was before; --retry goes on from its last good state)"


def _blocked(run: Run, outcome: Outcome) -> str | None:
    for needed in run.needed:
        if needed.digest in outcome.failures:
            return f"needs {needed.label}, which failed: {outcome.failures[needed.digest]}"
    return None


def _cohorts(groups: Sequence[Group], cohort_size: int) -> Iterator[list[Group]]:
    """Groups whose runs can share batches and a teacher's pass, at most ``cohort_size`` runs at a time; a group stays whole."""
    alike: dict[Any, list[Group]] = {}
    for group in groups:
        alike.setdefault(group[0].cohort, []).append(group)
    for members in alike.values():
        chosen: list[Group] = []
        for group in members:
            if chosen and sum(map(len, chosen)) + len(group) > cohort_size:
                yield chosen
                chosen = []
            chosen.append(group)
        yield chosen


def _train_cohort(
    groups: list[Group],
    store: Store,
    execution: Execution,
    show: Show | None,
    outcome: Outcome,
    anchors: Mapping[str, frozenset[int]],
) -> None:
    members = [run for group in groups for run in group]
    with locked(store, [group[0] for group in groups]):  # the first stands for its group
        for run in members:
            record = _repaired(store, run)  # another process may have finished it while we waited
            if record is not None:
                outcome.records[run.digest] = record
        groups = [group for group in groups if any(run.digest not in outcome.records for run in group)]
        if not groups:
            return
        first = groups[0][0]
        dataset = data.load(first.data, execution.device)
        net = None if first.teacher is None else _teacher(store, first.teacher, execution.device)
        recorder = Recorder(store, dataset, outcome.records, outcome.failures, anchors)
        for group in groups:
            recorder.admit({run: _learner(run, store, net, dataset, execution) for run in group}, execution.device)
        _say_memory(store, recorder.learners.values())
        active = [group for group in recorder.groups if not group[0].done]
        if not active:
            return
        runs = [recorder.runs[learner.label] for group in active for learner in group]
        loader = _loader(runs, dataset, [learner for group in active for learner in group])
        along = routes.Follower(runs[0], store, dataset, execution.device) if first.route is not None else None
        teacher = along.teacher if along is not None else None if net is None else Fixed(net)
        cohort = Cohort(tuple(active), loader, teacher, bool(first.teacher and foreign(first.teacher)))
        listeners = [one for one in (along, recorder, show) if one is not None]
        if show is not None:
            show.cohort_begins(runs, first.teacher)
        # batches keep their shape, so a search for kernels pays
        torch.backends.cudnn.benchmark = not execution.deterministic
        try:
            with deterministic() if execution.deterministic else contextlib.nullcontext():
                train(cohort, dataset, listeners, test_every=execution.test_every)
        finally:
            if show is not None:
                show.cohort_ends()


def _repaired(store: Store, run: Run) -> Record | None:
    """The run's Record; a damaged one is moved out of the way. For a run that is locked."""
    try:
        return store.record(run)
    except DamagedError as error:
        Unfinished(store, run).put_aside(error)
        return None


def _say_memory(store: Store, learners: Iterable[Learner]) -> None:
    """Report large buffers of extras (CRD's banks) before training: they are written with every checkpoint."""
    for learner in learners:
        large = {name: b.nbytes for name, b in learner.extras.named_buffers() if b.nbytes >= LARGE}
        if large and not learner.done:
            size = sum(large.values()) / 2**20
            store.say(f"{learner.label} remembers {size:.0f} MiB beside its network: {', '.join(large)}")


def _loader(runs: Sequence[Run], dataset: data.Dataset, learners: Sequence[Learner]) -> data.Loader:
    """The batches of a cohort: order and augmentation are everybody's, and some have an augmentation of their own beside."""
    views = frozenset().union(*(learner.views for learner in learners))
    own = {
        learner.label: derive(run.data_seed, "rendering", run.seed, run.turn)
        for run, learner in zip(runs, learners, strict=True)
        if learner.own_images
    }
    shared = {"batch_size": runs[0].recipe.batch_size, "data_seed": runs[0].data_seed}
    return data.Loader(dataset, **shared, views=views, renderings=own)


def _teacher(store: Store, run: Run, device: str) -> BlockNet:
    net, _ = store.load(run)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.requires_grad_(False)


def _learner(run: Run, store: Store, teacher: BlockNet | None, dataset: data.Dataset, execution: Execution) -> Learner:
    net = network(run)
    if run.start is not None:
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
        device=execution.device,
        compiled=execution.compiled,
        foreign=bool(foreign(run)),
    )
