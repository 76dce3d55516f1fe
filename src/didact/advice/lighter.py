"""A lighter KL between an SFTN teacher and its branches, tried beside the published one: the same
data, networks, length and standard teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from didact.spec import plural

NEAR = 2
"""Trials of half to twice the epochs are of such a length."""

SETTING = "--teacher.method.kl_weight 1"


@dataclass(frozen=True)
class Lighter:
    """One setting in which SFTN teachers of both weights taught.

    Attributes:
        data, epochs: what students and teachers learned from, and for how long.
        published, lighter: gain in percentage points over the students of a standard teacher, with
            the published weight of 3 and with weight 1.
        source: the page that has the figures.
    """

    data: str
    epochs: int
    published: float
    lighter: float
    source: str

    @property
    def gain(self) -> float:
        """What the lighter weight gains over the published one."""
        return self.lighter - self.published


TRIED = (
    Lighter("digits 20 per class", 45, -0.28, 0.33, "docs/results/sftn-small-scale.md"),
    Lighter("cifar100 20 classes 100 per class", 60, -1.29, -1.22, "docs/results/sftn-small-scale.md"),
    Lighter("cifar100 at 16x16 50 per class", 60, -1.58, 0.14, "docs/results/friendly-teachers.md"),
    Lighter("cifar100 at 16x16 50 per class", 240, 2.00, 1.56, "docs/results/friendly-teachers.md"),
)


def sentence(epochs: int, tried: Sequence[Lighter] = TRIED) -> str | None:
    """What the trials of about ``epochs`` epochs say of a KL of weight 1; None where there is none, or
    where they do not agree.
    """
    near = [one for one in tried if one.epochs / NEAR <= epochs <= one.epochs * NEAR]
    if not near or (min(one.gain for one in near) < 0 < max(one.gain for one in near)):
        return None
    better = near[0].gain > 0
    sizes = [f"{size:.1f}" for size in sorted(abs(one.gain) for one in near)]
    return (
        f"A KL of weight 1 between teacher and branches ({SETTING}) was {'better' if better else 'worse'} than the published "
        f"weight of 3 in {_trials(near)}, by {' to '.join(dict.fromkeys((sizes[0], sizes[-1])))} points."
    )


def _trials(near: Sequence[Lighter]) -> str:
    """ "the one trial of 45 epochs", "all 3 trials of 45 to 60 epochs"."""
    lengths = sorted({one.epochs for one in near})
    ends = " to ".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
    count = "the one trial" if len(near) == 1 else f"all {plural(len(near), 'trial')}"
    return f"{count} of {ends} epochs"
