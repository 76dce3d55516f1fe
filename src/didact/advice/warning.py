"""A line before a training whose friendly teacher was the worse one in every trial of such a
length.
"""

from __future__ import annotations

from collections.abc import Sequence

from didact.advice.options import NAMES, of_kind
from didact.advice.records import kind
from didact.advice.trials import Trial, trials
from didact.runs.run import Run

NEAR = 2
"""Trials of half to twice the epochs are of such a length."""


def warning(runs: Sequence[Run], known: Sequence[Trial] | None = None) -> str | None:
    """The line for ``runs``; None where no friendly teacher is among theirs, or trials of their
    length are not all worse.

    Args:
        runs: students.
        known: the trials; by default those of :func:`didact.advice.trials.trials`.
    """
    known = trials() if known is None else known
    for run in runs:
        teacher = run.teacher
        name = kind(teacher.method) if teacher is not None and teacher.start is None else None
        if name is not None and teacher is not None and teacher.epochs == run.epochs:
            gains = [trial.gain for trial in _near(of_kind(known, name), run.epochs)]
            if gains and max(gains) < 0:
                length = f"{run.epochs} epoch{'s' * (run.epochs > 1)}"
                return (
                    f"At about {length}, students of a teacher by {NAMES[name]} were worse than those of a standard one in "
                    f"{_counted(gains)} points: didact advise says more."
                )
    return None


def _counted(gains: Sequence[float]) -> str:
    least, most = -max(gains), -min(gains)
    if len(gains) == 1:
        return f"the one trial so far, by {most:.1f}"
    return f"all {len(gains)} trials so far, by {least:.1f} to {most:.1f}"


def _near(known: Sequence[Trial], epochs: int) -> list[Trial]:
    """Trials of such a length; of a training that is shorter than half of the shortest, those of
    the shortest.
    """
    shortest = min((trial.epochs for trial in known), default=0)
    middle = max(epochs, shortest / NEAR)
    return [trial for trial in known if middle / NEAR <= trial.epochs <= middle * NEAR]
