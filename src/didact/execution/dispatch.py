"""From a request to what came of it: Records that exist are read, the rest is checked, scheduled
and trained.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from didact.engine.environment import typed
from didact.engine.parallel.group import current
from didact.execution import together
from didact.execution.checks import check_missing, check_seeds
from didact.execution.executor import Executor
from didact.execution.given import told
from didact.execution.jobs import Outcome, Queue, schedule
from didact.execution.progress import Event, Said, Show, unseen
from didact.execution.settings import Execution
from didact.execution.work import StoreWork, WorkSettings
from didact.files.checked import DamagedError
from didact.machine import memory
from didact.runs.run import Run, everything
from didact.spec import SpecError, check_kind, choose, shown
from didact.store.entries import codes
from didact.store.record import Record
from didact.store.store import Store
from didact.store.upkeep.claims import claimed
from didact.store.upkeep.locks import most
from didact.store.writing.unfinished import Unfinished


def execute(
    runs: Iterable[Run] | Run,
    store: Store | Path | str,
    execution: Execution | None = None,
    show: Show | None = None,
    *,
    retry: bool = False,
) -> Outcome:
    """Records for ``runs`` and all they need, training whatever the store lacks.

    Args:
        runs: the runs of the request, or one.
        store: where Records are looked for and kept: a store, or its folder, about which nothing is
            said then.
        execution: the device and how to use it; ``Execution()`` by default.
        show: receives the events of the training.
        retry: train runs again that failed before, from their last good state.

    Raises:
        SpecError: no executor has this name, or it cannot use this device; or an argument is of
            another kind.
        RequestError: a run cannot work (a network and its data, teacher or method do not fit), its
            data cannot be had, or it is half-trained on another kind of device; nothing has been
            trained.
        LostError: one of the processes that torchrun has started for this request ended.
    """
    runs = _runs(runs)
    check_kind("store", store, (Store, str, os.PathLike), "a Store, or the name of its folder")
    store = store if isinstance(store, Store) else Store(store)
    execution = Execution() if execution is None else execution
    check_kind("execution", execution, Execution, "an Execution, such as Execution(device='cpu')")
    if show is not None and not callable(show):
        raise SpecError(f"show: a function of an event, or None, found {shown(show)}")
    processes = together.joined(execution)
    if processes.size == 1:
        return _execute(runs, store, execution, show, retry=retry)
    if processes.rank:
        return together.follow()
    found: list[Outcome] = []
    with together.leading(found):
        found.append(_execute(runs, store, execution, show, retry=retry))
    return found[0]


def _runs(given: Iterable[Run] | Run) -> list[Run]:
    expected = "a Run, or several, as didact.plan({...}) gives them"
    if isinstance(given, (str, Mapping)) or not isinstance(given, (Run, Iterable)):
        raise SpecError(f"runs: {expected}, found {shown(given)}")
    runs = [given] if isinstance(given, Run) else list(given)
    for run in runs:
        check_kind("runs", run, Run, expected)
    return runs


def _execute(
    runs: Sequence[Run], store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False
) -> Outcome:
    executor = choose(Executor, execution.executor)
    for line in executor.check(execution.device):
        store.say(line)
    store.named |= set().union(*map(codes, runs))
    needed = everything(list(runs))
    records, failed = _looked(needed, store, execution, trains=executor.trains, retry=retry)
    trains = executor.trains and len(records) < len(needed)
    with claimed(store.root, (run.digest for run in needed)) if trains else contextlib.nullcontext():
        if not all((record.folder / "record.json").exists() for record in records.values()):  # removed before the claim
            records, failed = _looked(needed, store, execution, trains=executor.trains, retry=retry)
        if len(records) < len(needed):
            _tell_given(needed, records, store)
        size, there = min(execution.cohort_size, most()), memory(execution.device)
        if there is not None and execution.device == "cpu":
            there //= current().local_size
        jobs, failures = schedule(needed, records, failed, size, executor.slots, there, store.say)
        queue = Queue(jobs, Outcome(records, failures))
        settings = WorkSettings(
            store.root.absolute(),
            store.trust,
            frozenset(store.named),
            frozenset(store.noted),
            replace(execution, command=execution.command or typed()),  # a worker has a command of its own
        )
        executor.run(queue, StoreWork(settings), partial(_receive, store, show or unseen))
    return queue.outcome


def _looked(
    needed: Sequence[Run], store: Store, execution: Execution, *, trains: bool, retry: bool
) -> tuple[dict[str, Record], dict[str, str]]:
    """By digest, the Records that the store has, and why others failed before. What is missing is
    checked.

    Raises:
        RequestError: as :func:`execute`.
    """
    records = _records(needed, store)
    missing = [run for run in needed if run.digest not in records]
    failed = {} if retry else {run.digest: reason for run in missing if (reason := store.failure(run)) is not None}
    check_missing(missing, records, failed, store, execution, trains=trains)
    check_seeds(needed, missing)
    processes = current()
    if missing and processes.size > 1:
        together.check(missing, processes)
        together.check_store(store)
    return records, failed


def _records(runs: Iterable[Run], store: Store) -> dict[str, Record]:
    """By digest, the Records that the store has. A damaged one is left out: it is trained again
    under its lock.
    """
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


def _tell_given(runs: Iterable[Run], records: Mapping[str, Record], store: Store) -> None:
    """Say how good the networks with weights from files are that were measured before, as was said
    when they were measured.
    """
    for run in runs:
        if run.given is not None and run.digest in records:
            record = records[run.digest]
            for line in told(run, record.final(), record.tested):
                store.say(line)


def _receive(store: Store, show: Show, event: Event) -> None:
    """Pass an event on to whom it is for."""
    if isinstance(event, Said):
        store.say(event.text)
    else:
        show(event)
