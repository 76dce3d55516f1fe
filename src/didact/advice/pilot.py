"""A pilot: the same request, trained for fewer epochs from a standard and an SFTN teacher, corrects
the expectation.

The pilot's own gain is that of a short training. The line's slope, which comes from the trials,
carries it to the length of the request:

    gain at E = gain of the pilot at e + slope (1 / E - 1 / e)

Its interval adds up the uncertainty of the slope and the noise of the pilot. Both expectations are
then averaged, each weighted by the inverse square of its interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from didact.advice.law import Interval, Line
from didact.advice.options import Option
from didact.request.plan import plan
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.spec import SpecError, shown
from didact.store.record import Record

SEEDS = 3
"""Students of each teacher: fewer say too little of their noise."""

LEAST = 5
"""Epochs below which a pilot says nothing: every teacher is far from trained."""


@dataclass(frozen=True)
class Pilot:
    """Short trainings of the request.

    Attributes:
        epochs: their length.
        runs: the students.
    """

    epochs: int
    runs: tuple[Run, ...]

    def gain(self, records: Mapping[str, Record]) -> Sample:
        """The paired differences in accuracy between the students of the SFTN teacher and of the
        standard one.
        """
        halves = len(self.runs) // 2
        standard, friendly = (
            Sample.of([(run, records[run.digest].final()["test_top1"]) for run in half if run.digest in records])
            for half in (self.runs[:halves], self.runs[halves:])
        )
        empty = Sample(())
        return (friendly or empty).minus(standard or empty)


def pilot(tree: Mapping[str, Any], option: Option, share: float, device: str) -> Pilot:
    """The pilot that takes ``share`` of the request's epochs, for its first student and method.

    Args:
        tree: the request's settings.
        option: the request with an SFTN teacher.

    Raises:
        SpecError: a share that is not between 0 and 1, or that leaves fewer than five epochs; a
            recipe that cannot be shortened.
    """
    whole = option.students[0].epochs
    if not 0 < share < 1:
        raise SpecError(f"pilot: the share of the epochs that the pilot may take, between 0 and 1, found {shown(share)}")
    epochs = math.floor(share * whole)
    if epochs < LEAST:
        raise SpecError(
            f"pilot: {share:g} of {whole} epochs are {epochs}, and fewer than {LEAST} say nothing; "
            f"write --pilot {math.ceil(100 * LEAST / whole) / 100:g} or more"
            if whole > LEAST
            else f"pilot: the request itself has {whole} epochs; no shorter training says anything of it"
        )
    recipe = {key: value for key, value in dict(tree.get("recipe") or {}).items() if key != "epochs"}
    teacher = {key: value for key, value in tree["teacher"].items() if key != "recipe"}
    one = {key: value for key, value in tree.items() if key not in ("seed", "seeds", "epochs")}
    one |= {"net": option.students[0].net, "recipe": recipe, "epochs": epochs, "seeds": SEEDS, "method": "kd"}
    runs = [
        run for method in ("standard", "sftn") for run in plan({**one, "teacher": {**teacher, "method": method}}, device)
    ]
    return Pilot(epochs, tuple(runs))


def corrected(line: Line, expected: Interval, seen: Sample, short: int, whole: int) -> Interval:
    """What is expected at ``whole`` epochs, by the trials and by a pilot of ``short`` epochs with
    the gain ``seen``.

    ``expected`` itself where the pilot has fewer than two seeds.
    """
    if seen.mean is None or seen.std is None:
        return expected
    carried = line.moved(1 / whole, 1 / short, seen.mean, seen.std / math.sqrt(seen.n))
    return _averaged(expected, carried)


def _averaged(a: Interval, b: Interval) -> Interval:
    halves = [(one.high - one.low) / 2 for one in (a, b)]
    if min(halves) == 0:
        return a if halves[0] == 0 else b
    weights = [1 / half**2 for half in halves]
    mean = (weights[0] * a.mean + weights[1] * b.mean) / sum(weights)
    half = 1 / math.sqrt(sum(weights))
    return Interval(mean, mean - half, mean + half)
