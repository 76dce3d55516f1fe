"""Figures over seeds: their mean, spread and differences, where some of them may not be defined.

A figure that is no finite number (the CKA of a network that shows the same for every image, a KL without bound, seconds that
nobody measured) is not defined. It is "-" in tables and null in JSON; means, spreads, differences and pictures leave it out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

from didact.runs.run import Run

UNDEFINED = "-"

Seed = int | tuple[int, ...]
"""What a figure was drawn under: the student's training seed, and where that does not tell figures apart, further ones."""


def defined(value: float | None) -> TypeGuard[float]:
    """Whether ``value`` is a finite number."""
    return value is not None and math.isfinite(value)


def text(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """``value`` with so many digits after the point, "-" where it is not defined."""
    return f"{value:{'+' if sign else ''}.{digits}f}" if defined(value) else UNDEFINED


@dataclass(frozen=True)
class Cell:
    """Figures of the same quantity over seeds; ``seeds`` says which figure is whose. None is not defined, like NaN."""

    values: tuple[float | None, ...]
    seeds: tuple[Seed, ...] = ()

    @classmethod
    def of(cls, figures: Iterable[tuple[Run, float | None]]) -> Cell | None:
        """The figures of runs; None where there are none. The teacher's seed counts where the runs' own are not enough."""
        given = list(figures)
        own = {run.seed for run, _ in given}
        seeds = tuple(run.seed if len(own) == len(given) else (run.seed, *_teachers(run)) for run, _ in given)
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

    def text(self, digits: int = 2, *, sign: bool = False) -> str:
        """ "72.00 ± 2.00", "71.23" for a single value, "-" for none."""
        return text(self.mean, digits, sign=sign) + ("" if self.std is None else f" ± {self.std:.{digits}f}")

    def plain(self, base: Cell | None = None) -> dict[str, Any]:
        """The figures for programs, and their paired difference to ``base``; None for what is not defined. ``n`` values are."""
        values = tuple(value if defined(value) else None for value in self.values)
        difference = {} if base is None else {"difference": self.minus(base).plain()}
        return {"values": values, "n": self.n, "mean": self.mean, "std": self.std} | difference

    def minus(self, other: Cell) -> Cell:
        """The differences over the seeds under which both have a value; a cell of no values where there are none.

        A figure of a seed alone is set against all that were drawn under it: students without a teacher against those of
        several teachers.
        """
        mine, its = (
            [(_key(seed), value) for seed, value in zip(one.seeds, one.values, strict=True) if defined(value)]
            for one in (self, other)
        )
        pairs = [
            (max(a, b, key=len), x - y) for a, x in mine for b, y in its if all(x == y for x, y in zip(a, b, strict=False))
        ]
        return Cell(tuple(difference for _, difference in pairs), tuple(seed for seed, _ in pairs))


def beside(cell: Cell | None, base: Cell | None, most: int, digits: int = 2) -> str:
    """The cell with its paired difference to ``base``: "76.20 ± 0.30 (+1.20 ± 0.11)"; nothing for no cell.

    With the number of its values where it has fewer than ``most``, and that of its differences where there are fewer still.
    """
    if cell is None:
        return ""
    gain = ""
    if base is not None:
        paired = cell.minus(base)
        gain = f" ({paired.text(digits, sign=True)}{f', n={paired.n}' if 0 < paired.n < cell.n else ''})"
    return cell.text(digits) + gain + (f" n={cell.n}" if cell.n < most else "")


def _teachers(run: Run) -> tuple[int, ...]:
    return () if run.teacher is None else (run.teacher.seed,)


def _key(seed: Seed) -> tuple[int, ...]:
    return seed if isinstance(seed, tuple) else (seed,)
