"""What decides the gain: a line in the inverse of the number of epochs, fitted to the trials.

    gain = limit + slope / epochs

A teacher that is trained with students gives a share of its training to them. In a short training
it has none to spare; in a long one it has. A line in 1 / epochs describes the trials best of the
four that were compared (1 / epochs, log epochs, 1 / steps, log steps): :func:`errors` computes how
far each misses a regime that it has not seen.

The line is ordinary least squares over the means of the regimes, as trials of one regime share
their standard teacher and are not independent. Its intervals are Student's t with n - 2 degrees of
freedom, n regimes.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from didact.advice.trials import Trial
from didact.runs.spread import quantile

LEAST = 4
"""Regimes below which no line is fitted: two parameters, and two degrees of freedom for its error."""

Verdict = Literal["friendly", "standard", "cannot tell"]

AXES: Mapping[str, Callable[[Trial], float]] = {
    "1 / epochs": lambda trial: 1 / trial.epochs,
    "log epochs": lambda trial: math.log(trial.epochs),
    "1 / steps": lambda trial: 1 / trial.steps,
    "log steps": lambda trial: math.log(trial.steps),
}
"""What the gain may be a line in."""


@dataclass(frozen=True)
class Interval:
    """An expected gain in percentage points, with its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Which teacher is better as far as the interval says: "cannot tell" where it holds 0."""
        return "friendly" if self.low > 0 else "standard" if self.high < 0 else "cannot tell"


@dataclass(frozen=True)
class Line:
    """A line through points, by ordinary least squares.

    Attributes:
        limit, slope: value at x = 0, and change for each unit of x.
        center: mean of the points' x.
        spread: sum of the squared distances of the points' x from their mean.
        error: standard deviation of the residuals, with n - 2 degrees of freedom.
        n: points.
    """

    limit: float
    slope: float
    center: float
    spread: float
    error: float
    n: int

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> Line:
        """The line through at least three points (x, y) with two different x.

        Raises:
            ValueError: fewer points, or all at one x.
        """
        n, xs = len(points), [x for x, _ in points]
        if n < 3 or len(set(xs)) < 2:
            raise ValueError(f"a line with an error needs three points or more at different x, found {n}")
        center, height = statistics.fmean(xs), statistics.fmean(y for _, y in points)
        spread = sum((x - center) ** 2 for x in xs)
        slope = sum((x - center) * (y - height) for x, y in points) / spread
        limit = height - slope * center
        error = math.sqrt(sum((y - limit - slope * x) ** 2 for x, y in points) / (n - 2))
        return cls(limit, slope, center, spread, error, n)

    def at(self, x: float) -> Interval:
        """The line's height at ``x``, with the confidence interval of the mean there."""
        return self._interval(self.limit + self.slope * x, math.sqrt(1 / self.n + (x - self.center) ** 2 / self.spread))

    def _interval(self, mean: float, leverage: float) -> Interval:
        half = quantile(self.n - 2) * self.error * leverage
        return Interval(mean, mean - half, mean + half)


@dataclass(frozen=True)
class Regime:
    """Trials on the same data and of the same length: their number, and the mean of their gains."""

    name: str
    trials: tuple[Trial, ...]

    @property
    def gain(self) -> float:
        """The mean of its trials' gains."""
        return statistics.fmean(trial.gain for trial in self.trials)

    @property
    def epochs(self) -> int:
        """Length of its trainings."""
        return self.trials[0].epochs

    @property
    def data(self) -> str:
        """What its networks learned from."""
        return self.trials[0].data


def regimes(trials: Sequence[Trial]) -> list[Regime]:
    """The trials by regime, shortest training first."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.regime, []).append(trial)
    return sorted((Regime(name, tuple(members)) for name, members in groups.items()), key=lambda one: one.epochs)


def law(trials: Sequence[Trial], axis: str = "1 / epochs") -> Line | None:
    """The line through the regimes of the trials of one kind; None for fewer than :data:`LEAST`
    regimes, or one length.
    """
    points = [(AXES[axis](regime.trials[0]), regime.gain) for regime in regimes(trials)]
    if len(points) < LEAST or len({x for x, _ in points}) < 2:
        return None
    return Line.through(points)


@dataclass(frozen=True)
class Held:
    """A regime that was left out, and what the line through the others says of it."""

    regime: Regime
    expected: Interval

    @property
    def right(self) -> bool | None:
        """Whether the verdict has the sign of the gain; None for "cannot tell"."""
        if self.expected.verdict == "cannot tell":
            return None
        return (self.expected.verdict == "friendly") == (self.regime.gain > 0)


def held_out(trials: Sequence[Trial], axis: str = "1 / epochs") -> list[Held]:
    """Every regime as the line through the others expects it; none where the others make no line."""
    expectations = (_expected(regime, trials, {regime.name}, axis) for regime in regimes(trials))
    return [held for held in expectations if held is not None]


def _expected(regime: Regime, trials: Sequence[Trial], left_out: Set[str], axis: str = "1 / epochs") -> Held | None:
    """The regime as the line expects it that is fitted without the regimes ``left_out``."""
    line = law([trial for trial in trials if trial.regime not in left_out], axis)
    return None if line is None else Held(regime, line.at(AXES[axis](regime.trials[0])))


def piloted(trials: Sequence[Trial]) -> list[tuple[Held, Held]]:
    """What a pilot adds: every regime that has a shorter one on the same data, once for each.

    The first of a pair is expected by the line without both, the second by the line that has the
    shorter one as its pilot.
    """
    pairs = []
    for pilot, whole in itertools.combinations(regimes(trials), 2):
        if pilot.data == whole.data and pilot.epochs < whole.epochs:
            without = _expected(whole, trials, {pilot.name, whole.name})
            informed = _expected(whole, trials, {whole.name})
            if without is not None and informed is not None:
                pairs.append((without, informed))
    return pairs


@dataclass(frozen=True)
class Score:
    """How often an advice had the sign of the gain, over regimes that were left out."""

    right: int
    wrong: int
    silent: int


def score(held: Iterable[Held]) -> Score:
    """How often the expectations have the sign of the gain."""
    verdicts = [one.right for one in held]
    return Score(verdicts.count(True), verdicts.count(False), verdicts.count(None))


def scores(trials: Sequence[Trial]) -> dict[str, Score]:
    """By adviser: the line, which may be silent, and those who always say "standard" or always
    "friendly".
    """
    held = held_out(trials)
    gains = [one.regime.gain > 0 for one in held]
    return {
        "line": score(held),
        "always standard": Score(gains.count(False), gains.count(True), 0),
        "always friendly": Score(gains.count(True), gains.count(False), 0),
    }


def errors(trials: Sequence[Trial]) -> dict[str, float]:
    """By axis, the root mean square error of the expected gains of regimes that were left out, in
    percentage points.
    """
    return {axis: error(held_out(trials, axis)) for axis in AXES}


def error(held: Iterable[Held]) -> float:
    """The root mean square of what the expectations miss, in percentage points; NaN of none."""
    squares = [(one.expected.mean - one.regime.gain) ** 2 for one in held]
    return math.sqrt(statistics.fmean(squares)) if squares else math.nan
