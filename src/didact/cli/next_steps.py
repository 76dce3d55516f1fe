"""What to run after a search: the commands that distil, train longer, or train students to compare
with."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from didact.data import facts
from didact.request.command import alone, command
from didact.runs.run import Run
from didact.search.correlation import LEAST, Correlation
from didact.search.pareto import ParetoFront
from didact.search.predict import Predictor
from didact.spec import plural
from didact.store.store import Store

LONGER = 3
"""Factor of the proposed epochs for a teacher with a supernet that has learned nothing."""

PROPOSED = 8
"""Number of students that a message proposes to train."""


def after_search(front: ParetoFront, teacher: Run, compared: Sequence[Correlation], store: Store) -> list[str]:
    """How to see predictions and trained students together, and how to distil to the students
    picked."""
    lines = []
    if compared:
        line = shlex.join(["didact", "search", teacher.digest, "--trained", "--store", str(store.root)])
        lines.append(f"Students of the pool that were trained, with their predictions: {line}")
    if front.at_chance:
        return [*lines, too_short(front.best.accuracy, front.guess, front.images, teacher, store)]
    line = distil(front, teacher, store)
    return lines + (
        ["Distil to the students picked:", line] if line else ["From Python: Run(net=..., teacher=...) distils to any."]
    )


def distil(front: ParetoFront, teacher: Run, store: Store) -> str | None:
    """The command that distils to the students picked; None where no command can name the
    teacher."""
    return command(teacher, list(dict.fromkeys(front.picks.values())), store.root)


def too_short(best: float, guess: float, images: int, teacher: Run, store: Store) -> str:
    """What to do with a supernet that predicts no better than guessing: ``best`` and ``guess`` in
    percent."""
    epochs = teacher.recipe.epochs
    line = alone(replace(teacher, recipe=replace(teacher.recipe, epochs=LONGER * epochs)), store.root)
    return (
        f"WARNING: the supernet predicts {best:.1f} % at best, which is no better than guessing "
        f"({facts(teacher.data).classes} classes; the most frequent one is {guess:.1f} % of {images:,} images): its order means "
        f"nothing. Train the teacher longer than {plural(epochs, 'epoch')}" + (f":\n{line}" if line else ".")
    )


def after_comparison(predictor: Predictor, compared: Sequence[Correlation], store: Store) -> list[str]:
    """What to do about predictions at chance, or about students of other teachers only."""
    best = max(student.predicted for correlation in compared for student in correlation.students)
    names = {student.name for correlation in compared for student in correlation.students}
    if predictor.at_chance(best, len(names)):
        return [too_short(best, predictor.guess, predictor.images_held, predictor.run, store)]
    if not any(correlation.own for correlation in compared):
        return [f"None of these were distilled from the teacher that predicts; {more_students(predictor)}"]
    return []


def more_students(predictor: Predictor) -> str:
    """How to train students that can be compared with their predictions."""
    pool = predictor.pool
    if pool.size < LEAST:
        return f"the pool has {pool.size} in all, too few for this comparison"
    line = command(predictor.run, pool.draw(min(PROPOSED, pool.size), 0), predictor.store.root)
    return f"to train some from this teacher:\n    {line}" if line else "train some by Run(net=..., teacher=...) from Python"
