"""The GTN poster's table of memory: our students at 32 and 8 bits, and the devices that hold them.
Nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from didact.data import Data, facts
from didact.deploy.catalogue import DEVICES
from didact.deploy.device import choose
from didact.deploy.fit import fits
from didact.execution import Execution, Outcome, Show
from didact.papers.gtn_tables import SHEETS
from didact.runs.run import Run
from didact.store.store import Store
from didact.tables import fit
from didact.tables.table import Table

POSTERS = ("ethos-n77", "edge-tpu", "raspberry-pi")
"""The poster's devices, as the catalogue calls them."""


@dataclass(frozen=True)
class Memory:
    """Students, and the images that they are shown.

    Attributes:
        students: network by label.
        data: sets image shape and classes.
    """

    students: Mapping[str, str]
    data: Data

    @property
    def title(self) -> str:
        """The subject in one line."""
        return f"memory of {len(self.students)} students for {self.data.label}"

    @property
    def runs(self) -> list[Run]:
        """None: nothing is trained."""
        return []

    @property
    def published(self) -> tuple[Table, ...]:
        """The poster's own table."""
        return SHEETS["memory"]

    def train(self, store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False) -> Outcome:
        """Nothing to train."""
        return Outcome()

    def tables(self, store: Store, device: str, tell: Callable[[str], None] = lambda line: None) -> list[Table]:
        """Memory by bit width, and which of the poster's devices hold it."""
        shape = facts(self.data)
        targets = choose(list(POSTERS), DEVICES)
        need = fits(list(self.students.values()), [32, 8], targets, shape.image, shape.classes)
        tables = fit.tables(need)
        figures = {one["network"] + f", {one['bits']} bit": one for one in fit.plain(need)}
        return [replace(table, title=self.title, figures=figures if at == 0 else None) for at, table in enumerate(tables)]
