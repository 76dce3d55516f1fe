"""Figures over seeds: their mean, spread and differences, where some of them may not be defined.

A figure that is no finite number (the CKA of a network that shows the same for every image, a KL
without bound, seconds that were not measured) is not defined. It is "-" in tables and null in JSON;
means, spreads, differences and pictures leave it out.

A difference is paired: the mean of the differences over the seeds that both sides have. Every table
takes it by :meth:`Sample.minus`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from didact.runs.run import Run

UNDEFINED = "-"

LONG = 1e6
"""Figures of tables below which all digits are shown."""

CONFIDENCE = 0.95
"""Of the interval of a mean."""

ROUNDING = 1e-9
"""Standard deviation below which figures count as equal: differences of equally many images differ in
their last digits.
"""

Seed = int | tuple[int, ...]
"""What a figure was drawn under: the student's training seed, and where that does not tell figures
apart, further ones.
"""


def defined(value: float | None) -> TypeGuard[float]:
    """Whether ``value`` is a finite number."""
    return value is not None and math.isfinite(value)


def text(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """``value`` with so many digits after the point, "-" where it is not defined. What rounds to zero
    has no minus: means of equal figures differ by their rounding. From :data:`LONG` on it has powers
    of ten: "1.23e+08", the KL of a network whose logits have grown without bound.
    """
    if not defined(value):
        return UNDEFINED
    plus = "+" if sign else ""
    return f"{value:{plus}.2e}" if abs(value) >= LONG else f"{value:{plus}z.{digits}f}"


def quantile(freedom: int) -> float:
    """How many standard errors the 95 % interval of a mean reaches to each side, by Student's t."""
    from scipy.special import stdtrit  # takes half a second, and few tables have intervals

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Sample:
    """Figures of the same quantity over seeds; ``seeds`` says which figure is whose. None is not
    defined, like NaN.
    """

    values: tuple[float | None, ...]
    seeds: tuple[Seed, ...] = ()

    @classmethod
    def of(cls, figures: Iterable[tuple[Run, float | None]], runs: Collection[Run] = ()) -> Sample | None:
        """The figures of runs; None where there are none. The teacher's seed counts where the runs'
        own are not enough.

        Args:
            figures: of the runs that have one.
            runs: all that the cell is to have, finished or not: of two teachers' students the first
                teacher's are still its own when the second has none yet.
        """
        given = list(figures)
        every = [run.seed for run in runs] or [run.seed for run, _ in given]
        alone = len(set(every)) == len(every)
        seeds = tuple(run.seed if alone else (run.seed, *_teachers(run)) for run, _ in given)
        return cls(tuple(value for _, value in given), seeds) if given else None

    @property
    def known(self) -> tuple[float, ...]:
        """The values that are defined."""
        return tuple(value for value in self.values if defined(value))

    @property
    def n(self) -> int:
        """How many values are defined: what mean and standard deviation are over."""
        return len(self.known)

    @property
    def mean(self) -> float | None:
        """None where no value is defined."""
        return statistics.fmean(self.known) if self.known else None

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for fewer than two values."""
        return statistics.stdev(self.known) if self.n > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % confidence interval of the mean, by Student's t; None for fewer than two values.

        Over several teacher seeds it is that of the teachers' means, as students of one teacher are
        not independent (see :attr:`by_teacher`).
        """
        return self.by_teacher._interval()

    @property
    def by_teacher(self) -> Sample:
        """Where figures are of several teacher seeds, one for each: the mean over its students.
        Otherwise the sample itself.
        """
        pairs = [(_key(seed), value) for seed, value in zip(self.seeds, self.values, strict=False) if defined(value)]
        groups: dict[Seed, list[float]] = {}
        for key, value in pairs:
            groups.setdefault(key[1:], []).append(value)
        if len(groups) < 2 or () in groups:
            return self
        return Sample(tuple(statistics.fmean(values) for values in groups.values()), tuple(groups))

    def half_width(self, n: int) -> float | None:
        """Half of the 95 % interval that ``n`` values with this standard deviation have; None
        without one, or where all values are equal up to rounding: how they vary is not known then.
        """
        if self.std is None or self.std < ROUNDING or n < 2:
            return None
        return quantile(n - 1) * self.std / math.sqrt(n)

    def _interval(self) -> tuple[float, float] | None:
        half = self.half_width(self.n)
        return None if self.mean is None or half is None else (self.mean - half, self.mean + half)

    def text(self, digits: int = 2, *, sign: bool = False) -> str:
        """ "72.00 ± 2.00", "71.23" for a single value, "-" for none."""
        return text(self.mean, digits, sign=sign) + ("" if self.std is None else f" ± {text(self.std, digits)}")

    def plain(self) -> dict[str, Any]:
        """The figures for programs; None for what is not defined. ``n`` values are."""
        values = tuple(value if defined(value) else None for value in self.values)
        return {"values": values, "n": self.n, "mean": self.mean, "std": self.std}

    def minus(self, other: Sample) -> Sample:
        """The differences over the seeds under which both have a value; a sample of no values where
        there are none.

        A figure of a seed alone is set against all that were drawn under it: students without a
        teacher against those of several teachers.
        """
        mine, its = (
            [(_key(seed), value) for seed, value in zip(one.seeds, one.values, strict=True) if defined(value)]
            for one in (self, other)
        )
        pairs = [
            (max(a, b, key=len), x - y) for a, x in mine for b, y in its if all(x == y for x, y in zip(a, b, strict=False))
        ]
        return Sample(tuple(difference for _, difference in pairs), tuple(seed for seed, _ in pairs))


def difference(sample: Sample) -> dict[str, Any]:
    """Paired differences (:meth:`Sample.minus`) for programs: as :meth:`Sample.plain`, with "ci95"
    and the seeds of the pairs. Over several teachers also their number and the mean of their means,
    around which the interval is.
    """
    each = sample.by_teacher
    teachers = {} if each is sample else {"teachers": each.n, "mean_of_teachers": each.mean}
    return sample.plain() | {"ci95": sample.interval, "seeds": [list(_key(seed)) for seed in sample.seeds]} | teachers


def _teachers(run: Run) -> tuple[int, ...]:
    return () if run.teacher is None else (run.teacher.seed,)


def _key(seed: Seed) -> tuple[int, ...]:
    return seed if isinstance(seed, tuple) else (seed,)
