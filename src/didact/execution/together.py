"""Requests under torchrun: the first process schedules, writes and talks, the others take part in
its trainings.
"""

from __future__ import annotations

import pickle
import socket
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from didact.engine.parallel import exchange, group
from didact.engine.parallel.processes import LEAST, Processes
from didact.execution.executor import Executor
from didact.execution.executors.here import Here
from didact.execution.jobs import Outcome
from didact.execution.settings import Execution
from didact.execution.work import Part
from didact.launcher import place
from didact.runs.run import Run
from didact.spec import RequestError, SpecError, choose
from didact.store.store import Store


@dataclass(frozen=True)
class End:
    """The first process is at the end of its request: what came of it, or why it stopped."""

    outcome: Outcome | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Look:
    """Every process says whether it sees this file."""

    path: Path


def joined(execution: Execution) -> Processes:
    """The processes of torchrun, which have met; one alone without it.

    Raises:
        SpecError: what cannot be done by several processes is asked for, or they cannot train here.
        RequestError: they do not reach each other.
    """
    there = place()
    if there.size == 1:
        return Processes()
    started = f"torchrun has started {there.size} processes, which share every batch"
    if not isinstance(choose(Executor, execution.executor), Here):
        raise SpecError(f"{started}: leave --workers, --on and --plan out, or start the command without torchrun")
    if execution.keep is not None:
        raise SpecError(f"{started}, and answers of teachers are kept by one process only; leave --keep-answers out")
    if execution.compiled:
        raise SpecError(f"{started}, and compiled networks are trained by one process only; leave --compile out")
    return group.join(execution.device)


def check(runs: Iterable[Run], processes: Processes) -> None:
    """Refuse runs that several processes cannot train.

    Raises:
        SpecError: the message names the run and says why.
    """
    for run in runs:
        if run.given is not None:
            continue
        if run.method.parallel() == "never":
            raise SpecError(
                f"{run.label}: the method '{run.method.name()}' compares gradients of a whole batch, and no process has it; "
                "train it with one process, without torchrun"
            )
        if run.recipe.norm_shares not in (1, processes.size):
            raise SpecError(
                f"{run.label}: recipe.norm_shares={run.recipe.norm_shares} for {processes.size} processes, of which each has one "
                f"part of a batch; write recipe.norm_shares={processes.size}, or start {run.recipe.norm_shares} processes, or one"
            )
        if run.recipe.batch_size < LEAST * processes.size:
            raise SpecError(
                f"{run.label}: recipe.batch_size={run.recipe.batch_size} for {processes.size} processes, and each needs "
                f"{LEAST} images at least; start fewer processes, or write recipe.batch_size={LEAST * processes.size} or more"
            )


def follow() -> Outcome:
    """Take part in all trainings of the first process's request, in another one. What came of them.

    Raises:
        RequestError: the first process refused the request.
        LostError: a process has ended.
    """
    while True:
        told = exchange.firsts()
        if isinstance(told, End):
            if told.error is not None:
                raise told.error
            assert told.outcome is not None
            return told.outcome
        if isinstance(told, Look):
            exchange.everyones((socket.gethostname(), told.path.exists()))
        else:
            assert isinstance(told, Part)
            told.follow()


@contextmanager
def leading(outcome: list[Outcome]) -> Iterator[None]:
    """In the first process: at the end of the block the others are told what came of it.

    Args:
        outcome: gets one value in the block.
    """
    try:
        yield
    except exchange.LostError:
        raise
    except Exception as error:
        with suppress(exchange.LostError):  # they may have stopped for the same reason
            exchange.firsts(End(error=_portable(error)))
        raise
    exchange.firsts(End(outcome[0]))


def _portable(error: Exception) -> Exception:
    """The error, or its text where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RequestError(str(error))
    return error


def check_store(store: Store) -> None:
    """Whether all processes see the store; the first asks. Its folder exists.

    Raises:
        RequestError: the message names the machines that do not.
    """
    path = (store.root / "locks" / f"look-{uuid.uuid4().hex}").absolute()
    path.touch()
    try:
        exchange.firsts(Look(path))
        found: Sequence[tuple[str, bool]] = exchange.everyones((socket.gethostname(), True))
    finally:
        path.unlink()
    blind = dict.fromkeys(host for host, sees in found if not sees)
    if blind:
        raise RequestError(
            f"{', '.join(blind)} does not see the store {store.root}; all machines of a training read it: "
            "name a folder that they share (--store)"
        )
