"""A line before a training whose friendly teacher was the worse one in every trial of such a
length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from didact.advice.lighter import NEAR, sentence
from didact.advice.options import NAMES, of_kind
from didact.advice.records import kind
from didact.advice.trials import Trial, trials
from didact.runs.run import Run
from didact.spec import plural


def warning(runs: Sequence[Run], known: Callable[[], Sequence[Trial]] = trials) -> str | None:
    """The line for ``runs``; None where no friendly teacher is among theirs, or trials of their
    length are not all worse.

    Args:
        runs: students.
        known: gives the trials, where there is a use for them; by default those of
            :func:`didact.advice.trials.trials`.
    """
    for run in runs:
        teacher = run.teacher
        name = kind(teacher.method) if teacher is not None and teacher.start is None else None
        if name is not None and teacher is not None and teacher.epochs == run.epochs:
            near = _near(of_kind(known(), name), run.epochs)
            if near and max(trial.gain for trial in near) < 0:
                return _line(near, run.epochs, NAMES[name]) + _lighter(run.epochs, name)
    return None


def _line(near: Sequence[Trial], epochs: int, name: str) -> str:
    """The line about a training of so many epochs by the trials that are nearest."""
    lengths, losses = [trial.epochs for trial in near], [-trial.gain for trial in near]
    place = f"of {_range(lengths, 0)} epochs"
    if epochs * NEAR < min(lengths):
        of = "the one trial" if len(near) == 1 else f"all {len(near)} trials"
        place = f"No trial is as short as {plural(epochs, 'epoch')}; in {of} {place}, the nearest"
    else:
        place = f"In {'the one trial' if len(near) == 1 else f'all {len(near)} trials'} {place} so far"
    return (
        f"{place}, students of a teacher by {name} were worse than those of a standard one, by {_range(losses, 1)} "
        "points: didact advise says more."
    )


def _lighter(epochs: int, name: str) -> str:
    """What is known of a lighter KL at this length, for a teacher of that kind."""
    known = sentence(epochs) if name == "sftn" else None
    return f" {known}" if known else ""


def _range(values: Sequence[float], digits: int) -> str:
    """ "15", "10 to 20"."""
    ends = dict.fromkeys(f"{end:.{digits}f}" for end in (min(values), max(values)))
    return " to ".join(ends)


def _near(known: Sequence[Trial], epochs: int) -> list[Trial]:
    """Trials of such a length; of a training that is shorter than half of the shortest, those of
    the shortest.
    """
    shortest = min((trial.epochs for trial in known), default=0)
    middle = max(epochs, shortest / NEAR)
    return [trial for trial in known if middle / NEAR <= trial.epochs <= middle * NEAR]
