"""Networks whose accuracy is no better than guessing.

The rule is a one-sided exact binomial test at the level of 5 %. Of n test images k are answered
rightly; a network that guesses answers rightly with the share p of the most frequent class, or
1 / classes where that is not known:

    P(X >= k) > 0.05,  X ~ Binomial(n, p)        the network cannot be told from guessing

Every network is tested alone. Seeds are not pooled: they share the test images, so their counts are
not independent, and a pooled test would claim more than is known. Where a network is the best of
several, P is multiplied by their number (Bonferroni's bound, which holds for dependent ones too).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from didact.data import facts
from didact.runs.run import Run
from didact.spec import first_of

LEVEL = 0.05
"""Probability with which a network that guesses is taken for a better one."""

NAMED = 3
"""So many runs are named in a message."""


def at_chance(top1: float, images: int, guess: float, tried: int = 1) -> bool:
    """Whether an accuracy cannot be told from guessing.

    Args:
        top1: the accuracy in percent; of several networks the best.
        images: number of images.
        guess: mean accuracy of guessing, in percent.
        tried: number of networks.
    """
    return math.log(tried) + _log_tail(round(top1 / 100 * images), images, guess / 100) > math.log(LEVEL)


def _log_tail(right: int, images: int, share: float) -> float:
    """log P(X >= right), X ~ Binomial(images, share); exact where P itself is too small for a float."""
    import numpy as np
    from scipy.special import gammaln, xlog1py, xlogy

    k = np.arange(right, images + 1)
    ways = gammaln(images + 1) - gammaln(k + 1) - gammaln(images - k + 1)
    terms = ways + xlogy(k, share) + xlog1py(images - k, -share)
    return float(terms.max() + np.log(np.exp(terms - terms.max()).sum()))


def guesses(run: Run, top1: float, images: int | None, guess: float | None = None, tried: int = 1) -> bool:
    """:func:`at_chance` for the test accuracy of ``run``. None for a number of test images that is as
    published, and for classes that are equally frequent."""
    known = facts(run.data)
    return at_chance(top1, images or known.test, 100 / known.classes if guess is None else guess, tried)


def warning(tested: Iterable[tuple[Run, float, int | None]]) -> str | None:
    """A line about the runs that cannot be told from guessing, with what to do; None where there are
    none.

    Args:
        tested: runs without weights from elsewhere, their top-1 test accuracy in percent, and the
            number of test images, as of :func:`guesses`.
    """
    found = [(run, top1) for run, top1, images in tested if guesses(run, top1, images)]
    if not found:
        return None
    named = first_of([f"{run.label}.{run.digest} ({top1:.2f} %)" for run, top1 in found], NAMED)
    return (
        f"WARNING: no better than guessing: {named}; compare nothing with them; train for more epochs, "
        "or with another recipe.learning_rate"
    )
