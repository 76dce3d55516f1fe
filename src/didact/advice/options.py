"""The teachers that a request may have, what each is expected to bring, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from didact.advice.law import Interval, Line, Verdict, law
from didact.advice.records import steps
from didact.advice.trials import Trial
from didact.request.plan import plan
from didact.runs.run import Run, everything
from didact.runs.step_time import step_seconds
from didact.spec import RequestError, SpecError

NAMES = {"standard": "standard", "sftn": "SFTN", "gtn": "GTN"}
"""Ways to train the teacher, and their names in tables."""


@dataclass(frozen=True)
class Option:
    """One way to train the teacher of a request.

    Attributes:
        kind: "standard", "sftn" or "gtn".
        students: the runs of the request's students from it; empty where it cannot serve them.
        seconds: what training all its teachers takes on this machine; NaN where it was not
            measured.
        gain: what its students are expected to gain over those of a standard teacher; None where
            too few trials say so.
        evidence: trials that the expectation rests on.
        refused: why it cannot serve this request.
    """

    kind: str
    students: tuple[Run, ...]
    seconds: float = math.nan
    gain: Interval | None = None
    evidence: tuple[Trial, ...] = ()
    refused: str = ""

    @property
    def name(self) -> str:
        """What tables call it."""
        return NAMES[self.kind]

    @property
    def teachers(self) -> list[Run]:
        """All runs that must be trained before the students."""
        return everything([run.teacher for run in self.students if run.teacher is not None])

    @property
    def verdict(self) -> Verdict:
        """Whether it is better than the standard teacher."""
        return "cannot tell" if self.gain is None else self.gain.verdict


def options(tree: Mapping[str, Any], device: str, trials: Sequence[Trial]) -> list[Option]:
    """The three teachers for the request ``tree``: standard, one by SFTN for each student, one by
    GTN for all of them.

    Args:
        tree: settings as ``didact train`` takes them, without ``teacher.method``.
        device: where the runs would be trained.
        trials: what is known.

    Raises:
        SpecError: the request names no teacher's network, or its teacher's method, or cannot work
            with a standard teacher.
    """
    teacher = tree.get("teacher")
    if not isinstance(teacher, Mapping) or "net" not in teacher:
        raise SpecError("teacher.net: say which network is to teach, e.g. --teacher.net resnet20")
    if "method" in teacher:
        raise SpecError(
            "teacher.method: advise compares standard, sftn and gtn itself, as published; leave it out, with its settings"
        )
    standard = _option("standard", "standard", tree, device)
    nets = ",".join(dict.fromkeys(run.net for run in standard.students))
    others = [_option("sftn", "sftn", tree, device), _option("gtn", {"name": "gtn", "pool": nets}, tree, device)]
    return [standard, *(_expected(option, trials) for option in others)]


def timed(option: Option, device: str, say: Callable[[str], object]) -> Option:
    """The option with what training its teachers takes, from a few steps of each.

    Args:
        option: a way to train the teachers.
        device: where the steps are taken.
        say: receives a line before each teacher's steps.
    """
    if not option.students:
        return option
    total = 0.0
    for teacher in option.teachers:
        say(f"timing a few steps of the {option.name} teacher {teacher.label}")
        total += step_seconds(teacher, device) * steps(teacher)
    return replace(option, seconds=total)


def break_even(specialised: Option, generic: Option) -> int | None:
    """From how many students on one generic teacher takes less time than a specialised teacher for
    each.

    None where one of both was not measured.
    """
    each, one = (option.seconds / max(1, len(option.teachers)) for option in (specialised, generic))  # of several seeds
    if not (each > 0 and one > 0):
        return None
    return max(1, math.floor(one / each) + 1)


def turning_point(trials: Sequence[Trial]) -> tuple[int | None, int | None]:
    """Epochs up to which the line's interval is below 0, and from which on it is above, from the
    shortest trial to twice the longest; None where there is no such number.
    """
    line = law(trials)
    if line is None:
        return None, None
    lengths = range(shortest(trials), 2 * longest(trials) + 1)
    worse = list(takewhile(lambda epochs: line.at(1 / epochs).verdict == "standard", lengths))
    better = list(takewhile(lambda epochs: line.at(1 / epochs).verdict == "friendly", reversed(lengths)))
    return max(worse, default=None), min(better, default=None)


def of_kind(trials: Sequence[Trial], kind: str) -> list[Trial]:
    """The trials of teachers that were trained in this way."""
    return [trial for trial in trials if trial.kind == kind]


def _option(kind: str, method: Any, tree: Mapping[str, Any], device: str) -> Option:
    settings = {**tree, "teacher": {**tree["teacher"], "method": method}}
    try:
        return Option(kind, tuple(plan(settings, device)))
    except RequestError as error:
        if kind == "standard":
            raise
        return Option(kind, (), refused=str(error))


def _expected(option: Option, trials: Sequence[Trial]) -> Option:
    known = of_kind(trials, option.kind)
    line: Line | None = law(known)
    if line is None or not option.students or not of_one_length(option):
        return replace(option, evidence=tuple(known))
    epochs = max(option.students[0].epochs, shortest(known))
    return replace(option, gain=line.at(1 / epochs), evidence=tuple(known))


def shortest(trials: Sequence[Trial]) -> int:
    """The fewest epochs of a trial; 0 where there is none. Below it the line would leave what was
    seen.
    """
    return min((trial.epochs for trial in trials), default=0)


def longest(trials: Sequence[Trial]) -> int:
    """The most epochs of a trial; 0 where there is none."""
    return max((trial.epochs for trial in trials), default=0)


def of_one_length(option: Option) -> bool:
    """Whether teachers and students are trained for the same number of epochs, as in the trials."""
    return len({run.epochs for run in (*option.students, *option.teachers)}) == 1
