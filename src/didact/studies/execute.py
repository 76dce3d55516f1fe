"""Ask for runs and get their Records: what is missing is trained, teachers first, in cohorts; what is there is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from didact import data
from didact.engine.learner import Learner
from didact.engine.records import Record
from didact.engine.train import Cohort, Fixed, Listener, train
from didact.nets.blocks import BlockNet
from didact.seeds import deterministic
from didact.spec import SpecError, digest
from didact.studies.run import Run, begin, check, depth, everything, extras, network, pair
from didact.studies.store import Store

LARGE = 2**20
"""Bytes of a buffer from which on it is told of."""


@dataclass(frozen=True)
class Where:
    """Where and how runs are computed; no part of what they are, so not in their digests.

    Attributes:
        device: "cpu", "cuda", "cuda:1" ...
        compiled: whether networks are compiled with torch.compile.
        test_every: epochs between evaluations; the last epoch is always evaluated.
        exact: whether torch is asked for deterministic kernels (slower on a GPU; on the CPU they are so anyway).
        together: at most so many learners in a cohort; the rest follows. Bounds memory, changes no result.
    """

    device: str = "cpu"
    compiled: bool = False
    test_every: int = 1
    exact: bool = False
    together: int = 16

    def __post_init__(self) -> None:
        for name in ("test_every", "together"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name.replace('_', '-')}: at least 1, found {getattr(self, name)}")


class Show(Listener, Protocol):
    """A listener that is also told when a cohort begins and ends."""

    def cohort_begins(self, runs: Sequence[Run], teacher: Run | None) -> None: ...
    def cohort_ends(self) -> None: ...


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    Attributes:
        records: by digest, every asked run that is finished.
        failures: by digest, why a run stopped, or which of the runs it needs did.
    """

    records: dict[str, Record]
    failures: dict[str, str]


def ask(runs: Sequence[Run], store: Store, where: Where, show: Show | None = None, *, retry: bool = False) -> Answer:
    """Records for ``runs`` and all they need, training whatever the store lacks.

    Args:
        runs: what is wanted.
        store: where Records are looked for and kept.
        where: the device and how to use it.
        show: is told how it goes.
        retry: train runs again that failed before, from their last good state.

    Raises:
        RequestError: a run cannot work (a network and its data, teacher or method do not fit), or its data cannot be had;
            nothing has been trained.
    """
    wanted = everything(list(runs))
    answer = Answer({}, {})
    for run in wanted:
        record = store.get(run, repair=True)
        if record is not None:
            answer.records[run.digest] = record
    missing = [run for run in wanted if run.digest not in answer.records]
    for run in {digest(replace(run, seed=0, data_seed=0)): run for run in missing}.values():
        check(run)  # once for runs that differ in their seeds only
    data.available([run.data for run in missing])
    for level in sorted({depth(run) for run in missing}):
        ready = []
        for run in (r for r in missing if depth(r) == level):
            reason = _blocked(run, answer) or (None if retry else _remembered(store.failure(run)))
            if reason is not None:
                answer.failures[run.digest] = reason
            else:
                ready.append(run)
        for members in _cohorts(ready, where.together):
            _train_cohort(members, store, where, show, answer)
    return answer


def _remembered(reason: str | None) -> str | None:
    return reason and f"{reason} (so it was before; --retry goes on from its last good state)"


def _blocked(run: Run, answer: Answer) -> str | None:
    for needed in run.needed:
        if needed.digest in answer.failures:
            return f"needs {needed.label}, which failed: {answer.failures[needed.digest]}"
    return None


def _cohorts(runs: Sequence[Run], together: int) -> Iterator[list[Run]]:
    """Runs that can share batches and a teacher's pass, at most ``together`` at a time."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.cohort, []).append(run)
    for members in groups.values():
        for first in range(0, len(members), together):
            yield members[first : first + together]


def _train_cohort(runs: list[Run], store: Store, where: Where, show: Show | None, answer: Answer) -> None:
    with store.locked(runs):
        for run in runs:
            record = store.get(run)  # another process may have finished it while we waited
            if record is not None:
                answer.records[run.digest] = record
        runs = [run for run in runs if run.digest not in answer.records]
        if not runs:
            return
        dataset = data.load(runs[0].data, where.device)
        net = None if runs[0].teacher is None else _teacher(store, runs[0].teacher, where.device)
        keeper = _Keeper(store, dataset, answer)
        for run in runs:
            keeper.admit(run, _learner(run, store, net, dataset, where), where.device)
        _say_memory(store, keeper.learners.values())
        active = [(learner,) for learner in keeper.learners.values() if not learner.done]
        if not active:
            return
        loader = _loader(runs, dataset, [learner for (learner,) in active])
        cohort = Cohort(tuple(active), loader, None if net is None else Fixed(net))
        if show is not None:
            show.cohort_begins(runs, runs[0].teacher)
        torch.backends.cudnn.benchmark = not where.exact  # batches keep their shape, so a search for kernels pays
        try:
            with deterministic() if where.exact else contextlib.nullcontext():
                train(cohort, dataset, [keeper] if show is None else [keeper, show], test_every=where.test_every)
        finally:
            if show is not None:
                show.cohort_ends()


def _say_memory(store: Store, learners: Iterable[Learner]) -> None:
    """Tell of what learners remember beside their weights (CRD's banks), before it is trained and written every epoch."""
    for learner in learners:
        large = {name: b.nbytes for name, b in learner.extras.named_buffers() if b.nbytes >= LARGE}
        if large and not learner.done:
            size = sum(large.values()) / 2**20
            store.say(f"{learner.label} remembers {size:.0f} MiB beside its network: {', '.join(large)}")


def _loader(runs: Sequence[Run], dataset: data.Dataset, learners: Sequence[Learner]) -> data.Loader:
    views = frozenset().union(*(learner.views for learner in learners))
    return data.Loader(dataset, batch_size=runs[0].recipe.batch_size, data_seed=runs[0].data_seed, views=views)


def _teacher(store: Store, run: Run, device: str) -> BlockNet:
    net, _ = store.load(run)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.requires_grad_(False)


def _learner(run: Run, store: Store, teacher: BlockNet | None, dataset: data.Dataset, where: Where) -> Learner:
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
        seed=run.seed,
        device=where.device,
        compiled=where.compiled,
    )


class _Keeper:
    """The listener that puts every epoch into the store and turns learners that are done into Records."""

    def __init__(self, store: Store, dataset: data.Dataset, answer: Answer) -> None:
        self.store = store
        self.dataset = dataset
        self.answer = answer
        self.learners: dict[str, Learner] = {}
        self.runs: dict[str, Run] = {}

    def admit(self, run: Run, learner: Learner, device: str) -> None:
        self.runs[learner.label] = run
        self.learners[learner.label] = learner
        self.store.open(run, learner, device, self.dataset.record())
        if learner.done:
            self._finish(learner)

    def _finish(self, learner: Learner) -> None:
        run = self.runs[learner.label]
        self.answer.records[run.digest] = self.store.finish(run, learner, len(self.dataset.train))

    def epoch_begins(self, epoch: int, epochs: int, steps: int, learners: Sequence[Learner]) -> None:
        pass

    def step_ends(self) -> None:
        pass

    def learned(self, learner: Learner, row: dict[str, Any]) -> None:
        self.store.keep(self.runs[learner.label], learner, row)
        if learner.done:
            self._finish(learner)

    def failed(self, learner: Learner) -> None:
        assert learner.failure is not None
        run = self.runs[learner.label]
        self.store.fail(run, learner.failure)
        self.answer.failures[run.digest] = learner.failure
