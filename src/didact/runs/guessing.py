"""Networks whose accuracy is no better than guessing."""

from __future__ import annotations

import math
from collections.abc import Iterable

from didact.data import facts
from didact.runs.run import Run

NAMED = 3
"""So many runs are named in a message."""


def chance(images: int, classes: int) -> float:
    """The accuracy in percent up to which a network may only be guessing: three standard errors above
    1 / classes, and at least half as much again for a few classes.

    Args:
        images: number of test images.
    """
    share = 1 / classes
    return 100 * (share + max(3 * math.sqrt(share * (1 - share) / images), share * (1 - share) / 2))


def warning(accuracies: Iterable[tuple[Run, float]]) -> str | None:
    """A line about the runs that cannot be told from guessing, with what to do; None where there are
    none.

    Args:
        accuracies: runs without weights from elsewhere, and their top-1 test accuracy in percent.
    """
    found = [(run, accuracy) for run, accuracy in accuracies if _guesses(run, accuracy)]
    if not found:
        return None
    named = ", ".join(f"{run.label}.{run.digest} ({accuracy:.2f} %)" for run, accuracy in found[:NAMED])
    more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return (
        f"WARNING: no better than guessing: {named}{more}; compare nothing with them; train for more epochs, "
        "or with another recipe.learning_rate"
    )


def _guesses(run: Run, accuracy: float) -> bool:
    images = facts(run.data)
    return accuracy <= chance(images.test, images.classes)
