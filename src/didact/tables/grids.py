"""Several tables of a paper as one study: what of it can be trained, its training, its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from didact.data import available
from didact.execution import Execution, Outcome, Show, execute
from didact.measure.probe import Tell, fitting_size
from didact.runs.dry_run import check
from didact.runs.run import Run
from didact.spec import SpecError, digest
from didact.store.store import Store
from didact.tables.grid import Grid
from didact.tables.table import Table


@dataclass(frozen=True)
class Grids:
    """Several tables of a paper. A run in more than one table is trained once."""

    grids: tuple[Grid, ...]
    title: str = ""
    """The paper's short name."""
    summaries: tuple[Callable[[Store], list[Table]], ...] = ()
    """Further tables of the same Runs."""
    sheets: tuple[Table, ...] = ()
    """The paper's own tables, where the grids name none."""

    @property
    def students(self) -> Mapping[str, str]:
        """Always empty, because these tables name networks in full."""
        return {}

    @property
    def runs(self) -> list[Run]:
        """All Runs, each once."""
        return list({run.digest: run for grid in self.grids for run in grid.runs}.values())

    @property
    def published(self) -> tuple[Table, ...]:
        """The paper's own tables, each once."""
        sheets = [grid.published for grid in self.grids if grid.published is not None]
        return tuple({sheet.title: sheet for sheet in (*sheets, *self.sheets)}.values())

    def train(self, store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False) -> Outcome:
        """Train the missing runs. Where networks and method do not fit, they are left out, and it
        is said why.

        Raises:
            SpecError, DataError: a measure is impossible or lacks its data, or no run can work.
                Raised before any training.
        """
        for grid in self.grids:
            for measure in grid.measures:
                for data in measure.needs:
                    for run in grid.runs:
                        fitting_size(run, data)
        available({data for grid in self.grids for measure in grid.measures for data in measure.needs})
        runs, refused = possible(self.runs, store)
        for reason in refused:
            store.say(f"left out: {reason}")
        return execute(runs, store, execution, show, retry=retry)

    def tables(self, store: Store, device: str, tell: Tell = lambda line: None) -> list[Table]:
        """All measures of all tables, then the summaries."""
        tables = [table for grid in self.grids for table in grid.tables(store, device, tell)]
        return [*tables, *(table for summary in self.summaries for table in summary(store))]


def possible(runs: Sequence[Run], store: Store) -> tuple[list[Run], list[str]]:
    """The runs whose networks, data and method fit, and for each other kind of run the reason.
    Finished runs are not looked at, and of runs that differ in seeds only one is.

    Raises:
        SpecError: none can work; the message is the first one's.
    """
    reasons: dict[str, str | None] = {}

    def reason(run: Run) -> str | None:
        """Why a run that is not finished, or one that it needs, cannot work."""
        if store.opened(run) is not None:
            return None
        kind = _kind(run)
        if kind not in reasons:
            reasons[kind] = next((why for needed in run.needed if (why := reason(needed))), None) or _refusal(run)
        return reasons[kind]

    possible_runs = [run for run in runs if reason(run) is None]
    refused = list(dict.fromkeys(why for why in reasons.values() if why is not None))
    if refused and not possible_runs:
        raise SpecError(refused[0])
    return possible_runs, refused


def _kind(run: Run) -> str:
    """What fits or does not: everything but seeds."""
    teacher = None if run.teacher is None else replace(run.teacher, seed=0, data_seed=0)
    return digest(replace(run, seed=0, data_seed=0, teacher=teacher))


def _refusal(run: Run) -> str | None:
    try:
        check(run)
    except SpecError as error:
        return str(error)
    return None
