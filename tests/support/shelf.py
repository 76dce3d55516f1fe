"""For tests of the store in daily use: a store of sealed Records that nobody trained: a teacher, its two students, a loner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from didact.runs.run import Run
from didact.spec import to_json
from didact.store.record import Record
from didact.store.store import Store
from support.recorded import recorded
from support.tiny import make


@dataclass(frozen=True)
class Shelf:
    """A store and its runs."""

    store: Store
    teacher: Run
    students: tuple[Run, Run]
    loner: Run
    said: list[str]

    def folder(self, run: Run) -> Path:
        return self.store.folder(run)


def shelf(root: Path) -> Shelf:
    """The store at ``root``."""
    teacher = make(net="resnet14", seed=100)
    students = (make("kd", teacher=teacher), make("kd", teacher=teacher, seed=1))
    loner = make(net="resnet8", seed=5)
    for run in (teacher, *students, loner):
        keep(root, run)
    said: list[str] = []
    return Shelf(Store(root, said.append), teacher, students, loner, said)


def keep(root: Path, run: Run) -> Record:
    """A sealed Record of ``run`` in the store at ``root``."""
    return recorded(root, to_json(run), run.label)
