"""What is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from didact import data
from didact.execution import engines, manner, routes
from didact.execution.settings import Execution
from didact.machine import memory
from didact.runs.copies import copies
from didact.runs.dry_run import check
from didact.runs.foreign import involved
from didact.runs.run import Run
from didact.spec import SpecError, digest
from didact.store.store import Store
from didact.store.upkeep.locks import check_writable
from didact.store.writing.unfinished import Unfinished


def check_missing(
    missing: Sequence[Run],
    finished: Collection[str],
    failed: Collection[str],
    store: Store,
    execution: Execution,
    *,
    trains: bool = True,
) -> None:
    """Refuse, before any training, whatever cannot work. Parts of a method that teach nothing are
    said.

    Args:
        missing: the runs without a Record.
        finished, failed: digests of the runs that have a Record, and of those that are not trained
            as they failed before.
        trains: whether they are to be trained now; otherwise neither their data nor a store to
            write in is asked for.

    Raises:
        RequestError: as :func:`didact.execution.dispatch.execute`.
    """
    if execution.compiled:
        _check_compiled(missing)
    for run in {digest(replace(run, seed=0, data_seed=0)): run for run in missing}.values():
        for line in check(run, memory(execution.device)):  # once for runs that differ in their seeds only
            store.say(line)
    engines.check(missing, execution.device)
    manner.check(missing, execution)
    _check_needed(missing, finished, store)
    if missing and trains:
        check_writable(store)
    store.check_folders(missing)
    routes.check_kept(missing, store)
    for run in missing:
        if run.digest not in failed:
            Unfinished(store, run).check_device(execution.device)
    if trains:
        data.available([run.data for run in missing], store.say)


def check_seeds(needed: Sequence[Run], missing: Sequence[Run]) -> None:
    """Refuse seeds that train copies of one network, of which tables would show a spread of 0.

    Args:
        needed: the runs of a request, with those that have a Record.
        missing: those without one.

    Raises:
        SpecError: the message names the seeds.
    """
    for first, *others in copies(needed, {run.digest for run in missing}):
        seeds = ", ".join(str(run.seed) for run in (first, *others))
        raise SpecError(
            f"{first.label}: it begins with the weights of a file, and its training draws nothing under its seed, so the seeds "
            f"{seeds} train the same network {1 + len(others)} times; write seed={first.seed} in place of seeds"
        )


def _check_compiled(missing: Sequence[Run]) -> None:
    for run in missing:
        if run.recipe.norm_shares > 1:
            raise SpecError(
                f"{run.label}: compiled networks take batch norm's statistics over whole batches; leave --compile or "
                f"recipe.norm_shares={run.recipe.norm_shares} out"
            )


def _check_needed(missing: Sequence[Run], finished: Collection[str], store: Store) -> None:
    """Refuse finished runs with code of the user's own that was edited and has other weights now,
    where others begin from them.

    Raises:
        RequestError: the message names the code.
    """
    needed = {other.digest: other for run in missing for other in run.needed if other.digest in finished}
    for run in needed.values():
        if involved(run):
            store.load(run)
