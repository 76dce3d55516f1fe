"""Whether a published figure is borne out, from the 95 % interval of ours.

    ours       figures x_1 .. x_n, one for each seed: differences to the baseline, paired by seed
    interval   mean ± t(n - 1) s / sqrt(n), t the 97.5 % quantile of Student's t
    region     the values that bear the published figure p out, with a margin m:
                 amount      [p - m, p + m]
                 direction   (0, inf) for p >= m, (-inf, 0) for p <= -m, otherwise [-m, m]

    agrees        the interval lies inside the region
    disagrees     the two have no point in common
    cannot tell   otherwise, or n < 2, or s = 0: figures that are all the same, such as those of runs
                  at chance, have a spread that is below what they are counted in, and not known

The amount is compared where a study has the paper's networks, data and recipe; at another size only
the direction is. m is the measure's own margin, and at least the ± that the paper prints.

Further seeds that would tell: the smallest k for which the interval of n + k figures with the same
mean and s would touch no boundary of the region, that is t(n + k - 1) s / sqrt(n + k) <= the
distance of the mean from the nearest boundary. Mean and s may move, so it is a plan, not a promise.
None where no number up to 10,000 would do, as with a mean on a boundary.

Over several teacher seeds a figure is a teacher's mean over its students, and further seeds are
teachers'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from didact.runs.spread import Sample
from didact.spec import plural

MOST = 10_000
"""Seeds that are looked at."""

AGREES, DISAGREES, OPEN = "agrees", "disagrees", "cannot tell"


@dataclass(frozen=True)
class Region:
    """The values between two bounds, which may be infinite. Finite bounds belong to it if
    ``closed``.
    """

    low: float
    high: float
    closed: bool = True

    @classmethod
    def amount(cls, published: float, margin: float) -> Region:
        """Values within ``margin`` of the published one."""
        return cls(published - margin, published + margin)

    @classmethod
    def direction(cls, published: float, margin: float) -> Region:
        """Differences of the published sign; small ones where the published one is below
        ``margin``.
        """
        if abs(published) < margin:
            return cls(-margin, margin)
        return cls(0.0, math.inf, closed=False) if published > 0 else cls(-math.inf, 0.0, closed=False)

    def holds(self, low: float, high: float) -> bool:
        """Whether the interval from ``low`` to ``high`` lies inside."""
        return (self.low <= low and high <= self.high) if self.closed else (self.low < low and high < self.high)

    def misses(self, low: float, high: float) -> bool:
        """Whether the interval has no value in common with it."""
        return (high < self.low or low > self.high) if self.closed else (high <= self.low or low >= self.high)

    def distance(self, value: float) -> float:
        """How far the nearest bound is."""
        return min(abs(value - self.low), abs(value - self.high))


@dataclass(frozen=True)
class Verdict:
    """agrees, disagrees or cannot tell; with the latter, how many further seeds would tell, if that
    is known.
    """

    word: str
    further: int | None = None
    teachers: bool = False
    """Whether these are teacher seeds."""

    def text(self) -> str:
        """ "agrees", "cannot tell (3 further seeds would)"."""
        if self.word != OPEN or self.further is None:
            return self.word
        return f"{OPEN} ({plural(self.further, 'further teacher seed' if self.teachers else 'further seed')} would)"


def verdict(sample: Sample, region: Region) -> Verdict:
    """What the figures of ``sample`` say of a published one, by the rule above."""
    each, teachers = sample.by_teacher, sample.by_teacher is not sample
    interval = each.interval
    if each.mean is None or interval is None or interval[0] == interval[1]:
        return Verdict(OPEN, teachers=teachers)
    if region.holds(*interval):
        return Verdict(AGREES)
    if region.misses(*interval):
        return Verdict(DISAGREES)
    return Verdict(OPEN, _further(each, region.distance(each.mean)), teachers)


def _further(sample: Sample, distance: float) -> int | None:
    """The smallest number of further figures whose interval reaches no further than ``distance``.
    The half width falls with n, so it is found by halving.
    """

    def reaches(n: int) -> bool:
        half = sample.half_width(n)
        return half is None or half > distance

    low, high = sample.n, MOST
    if distance <= 0 or reaches(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reaches(middle) else (low, middle)
    return high - sample.n
