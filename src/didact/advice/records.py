"""Trials of one's own: students in a store that learned from a friendly teacher and from a standard
one, else alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from didact.advice.trials import Trial
from didact.advice.trials import trials as shipped
from didact.data import epoch_batches
from didact.method import ForPool, ForStudent, Method
from didact.runs.run import BASELINE, Run
from didact.runs.spread import Sample
from didact.spec import digest
from didact.store.record import Record
from didact.store.store import Store

SHORTEST = 10
"""Epochs below which a pair is no trial: its students are near chance, and the line in 1 / epochs
would follow them more than all others.
"""

LEAST_PAIRS = 3
"""Pairs of students below which a setting is no trial: a regime counts as much as a paper's, and the
noise of one or two seeds would move the line.
"""


OWN = "this store"
"""The source of such a trial."""


def kind(method: Method) -> str | None:
    """Which trials say something of a teacher that is trained by ``method``.

    "sftn" or "gtn", where its settings are the published ones; None for others.
    """
    free = {"student"} if isinstance(method, ForStudent) else {"pool"} if isinstance(method, ForPool) else None
    if free is None:
        return None
    usual = type(method)(**{name: getattr(method, name) for name in free})
    return method.name() if method == usual else None


def steps(run: Run) -> int:
    """Optimisation steps of its training; an estimate where the classes of its data differ in size."""
    return run.epochs * epoch_batches(run.data, run.recipe.batch_size)


def trials(finished: Iterable[tuple[Run, Record]]) -> list[Trial]:
    """The trials among these runs: teachers and students of the same number of epochs.

    A trial has :data:`LEAST_PAIRS` pairs of students or more. Those of a pair have one seed, and differ
    in nothing but how their teacher was trained. Trainings of fewer than :data:`SHORTEST` epochs are
    left out.
    """
    accuracies: dict[str, tuple[Run, float]] = {}
    for run, record in finished:
        plain = run.route is None and not run.peers and run.start is None and run.recipe.bits == 32
        if run.teacher is not None and plain and run.epochs >= SHORTEST:
            accuracies[run.digest] = (run, record.final()["test_top1"])
    gains: dict[tuple[str, str], list[tuple[Run, float]]] = {}
    for run, accuracy in accuracies.values():
        friendly = _friendly(run)
        standard = friendly and accuracies.get(_from_standard(run).digest)
        if friendly and standard:
            alike = digest([run.net, run.teacher and run.teacher.net, run.data.label, run.epochs, run.recipe.batch_size])
            gains.setdefault((friendly, alike), []).append((run, accuracy - standard[1]))
    return [_trial(friendly, members) for (friendly, _), members in gains.items() if len(members) >= LEAST_PAIRS]


def with_own(root: Path) -> list[Trial]:
    """The trials of didact's pages and the papers, and those of the store at ``root``, where there is
    one.
    """
    own = trials(Store(root).runs()) if (root / "runs").is_dir() else []
    return [*shipped(), *own]


def _friendly(run: Run) -> str | None:
    """How the run's teacher was trained with students; None for other teachers, and for one of
    another length.
    """
    teacher = run.teacher
    if teacher is None or teacher.start is not None or teacher.epochs != run.epochs:
        return None
    return kind(teacher.method)


def _from_standard(run: Run) -> Run:
    """The same student of a standard teacher that is like its own in all else."""
    assert run.teacher is not None
    return replace(run, teacher=replace(run.teacher, method=BASELINE))


def _trial(friendly: str, members: list[tuple[Run, float]]) -> Trial:
    run = members[0][0]
    assert run.teacher is not None
    mean = Sample(tuple(gain for _, gain in members)).mean
    assert mean is not None
    name = f"{run.data.label}, {run.epochs} epochs"
    return Trial(friendly, name, run.epochs, steps(run), run.teacher.net, run.net, mean, OWN)
