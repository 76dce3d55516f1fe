"""The advice as a table, for programs, and in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from didact.advice import by_heart
from didact.advice.law import Interval, error, errors, held_out, law, piloted, regimes, score, scores
from didact.advice.lighter import sentence
from didact.advice.options import (
    NAMES,
    Option,
    break_even,
    longest,
    of_kind,
    of_one_length,
    shortest,
    turning_point,
)
from didact.advice.records import OWN, SHORTEST
from didact.advice.trials import KINDS, Trial
from didact.runs.spread import defined
from didact.spec import plural
from didact.tables.table import Cell, Table

HOUR, MINUTE = 3600, 60


def tables(found: Sequence[Option], known: Sequence[Trial]) -> list[Table]:
    """Teachers with expected gains, costs and evidence; then the trials that they rest on, by
    regime.
    """
    students = found[0].students
    nets = ", ".join(dict.fromkeys(run.net for run in students))
    title = f"Which teacher for {nets} on {students[0].data.label}, {students[0].epochs} epochs?"
    rows = tuple((option.name, _gain(option.gain), _words(option), _duration(option.seconds)) for option in found)
    note = (
        "Expected gain: percentage points of the students' test accuracy over those of a standard teacher, with the 95 % "
        "interval of the expectation; a single setting strays from it. Time: the fastest of a few steps on this machine, as "
        "busy as it is, times the steps of the training of all teachers."
    )
    columns = ("teacher", f"expected gain{_seen(found)}", "advice", "time to train")
    return [Table(columns, rows, title, note), *_evidence(known)]


def plain(found: Sequence[Option], known: Sequence[Trial], share: float | None = None) -> dict[str, Any]:
    """The advice for programs; arguments as of :func:`sentences`."""
    return {
        "teachers": [
            {
                "teacher": option.kind,
                "gain": None if option.gain is None else asdict(option.gain),
                "verdict": option.verdict if option.kind != "standard" else None,
                "seconds": option.seconds,
                "trials": len(option.evidence),
                "regimes": len(regimes(option.evidence)),
                "refused": option.refused or None,
                "runs": [run.digest for run in option.students],
            }
            for option in found
        ],
        "generic_from_students": break_even(found[1], found[2]),
        "standard_knows": share,
        "trials": [asdict(trial) for trial in known],
        "errors": {kind: errors(of_kind(known, kind)) for kind in KINDS},
        "held_out": {kind: {who: asdict(one) for who, one in scores(of_kind(known, kind)).items()} for kind in KINDS},
        "piloted": {kind: _piloted(of_kind(known, kind)) for kind in KINDS},
    }


def _piloted(trials: Sequence[Trial]) -> dict[str, Any]:
    """How often, and how far, the line misses longer trainings without and with a pilot."""
    pairs = piloted(trials)
    sides = {"without": [one for one, _ in pairs], "with": [one for _, one in pairs]}
    return {side: {**asdict(score(held)), "error": error(held)} for side, held in sides.items()}


LONGER_TEACHER = (
    "Teachers and students have different numbers of epochs here, and no gain is expected: one setting of ours had, teachers "
    "of 240 epochs for students of 60. SFTN gained +1.27 points there, where teachers of 60 epochs cost 1.56 "
    "(CIFAR-100 at 16x16, 50 images a class)."
)
"""What is known of teachers that train longer than their students (docs/results/friendly-teachers.md, line 23)."""


def sentences(found: Sequence[Option], known: Sequence[Trial], share: float | None = None) -> list[str]:
    """What to do, and why.

    Args:
        share: percent of its training images that the request's standard teacher knows; None where
            it is not trained.
    """
    lines = [_decision(found)]
    students = break_even(found[1], found[2])
    if students is not None:
        count = "from the first student on" if students == 1 else f"from {students} students on"
        lines.append(f"A generic teacher (GTN) takes less time than an SFTN teacher for each student {count}.")
    for kind in KINDS:
        worse, better = turning_point(of_kind(known, kind))
        parts = [f"costs its students accuracy in trainings of up to {worse} epochs"] if worse else []
        parts += [f"gains them some from {better} epochs on"] if better else []
        if parts:
            lines.append(f"By all trials, a teacher by {NAMES[kind]} {' and '.join(parts)}.")
        lines += _moved(found, known, kind)
    lighter = sentence(found[0].teachers[0].epochs)  # the weight is a setting of the teacher's training
    heart = by_heart.sentence(found[0].students[0])
    lines += [line for line in (by_heart.of_share(share) if share is not None else None, lighter, heart) if line]
    lengths = {run.epochs for option in found for run in (*option.students, *option.teachers)}
    if len(lengths) > 1:
        lines.append(LONGER_TEACHER)
    return (
        lines
        + _outside(found)
        + [f"{option.name} cannot serve this request: {option.refused}" for option in found if option.refused]
    )


def _moved(found: Sequence[Option], known: Sequence[Trial], kind: str) -> list[str]:
    """How far the store's own trials have moved an expectation: a single short one can move it by points."""
    (option,) = (one for one in found if one.kind == kind)
    others = law([trial for trial in of_kind(known, kind) if trial.source != OWN])
    own = sum(trial.source == OWN for trial in of_kind(known, kind))
    if not own or others is None or option.gain is None:
        return []
    epochs = max(option.students[0].epochs, shortest(of_kind(known, kind)))
    without = _gain(others.at(1 / epochs))
    return [f"Without {plural(own, 'trial')} of this store {NAMES[kind]} would be expected to gain {without}."]


def _outside(found: Sequence[Option]) -> list[str]:
    """Lengths that no trial had."""
    epochs, known = found[0].students[0].epochs, [trial for option in found for trial in option.evidence]
    if known and epochs < shortest(known):
        return [f"No trial was as short: the expectations are those of {shortest(known)} epochs."]
    if known and epochs > longest(known):
        return [f"No trial was as long: the longest has {longest(known)} epochs."]
    return []


def _seen(found: Sequence[Option]) -> str:
    """ " of 15 epochs", the length that an expectation is of where the request is shorter than any
    trial; nothing otherwise."""
    lengths = {
        shortest(option.evidence)
        for option in found
        if option.gain is not None and shortest(option.evidence) > option.students[0].epochs
    }
    return f" of {' or '.join(map(str, sorted(lengths)))} epochs" if lengths else ""


def _decision(found: Sequence[Option]) -> str:
    friendly = [option for option in found[1:] if option.verdict == "friendly" and option.gain is not None]
    if friendly:
        best = max(friendly, key=lambda option: option.gain.mean if option.gain else 0.0)
        return f"Train the teacher by {best.name}: --teacher.method {best.kind}"
    worse = [option.name for option in found[1:] if option.verdict == "standard"]
    open_ = [option for option in found[1:] if option.verdict == "cannot tell" and not option.refused]
    if not open_:
        return "Train a standard teacher: --teacher.method standard"
    said = f"{' and '.join(worse)} is worse; whether" if worse else "Whether"
    names = " or ".join(option.name for option in open_)
    cheaper = ", which is the cheaper one" if all(found[0].seconds < option.seconds for option in open_) else ""
    return f"{said} {names} is better than a standard teacher{cheaper}, the trials cannot tell.{_pilot(found[1])}"


def _pilot(sftn: Option) -> str:
    """A pilot that the request may have; nothing where it is too short for one, where its lengths differ, where
    the store has one or more trials on its data, or where the open question is not one of SFTN, which a pilot trains.
    """
    if (
        sftn.verdict != "cannot tell"
        or sftn.refused
        or not of_one_length(sftn)
        or any(_on_its_data(sftn, trial) for trial in sftn.evidence)
    ):
        return ""
    whole = sftn.students[0].epochs
    share = max(0.2, math.ceil(100 * SHORTEST / whole) / 100)
    return f" --pilot {share:g} trains {math.floor(share * whole)} epochs first, as one more trial." if share < 1 else ""


def _on_its_data(option: Option, trial: Trial) -> bool:
    return trial.source == OWN and trial.data == option.students[0].data.label


def _evidence(known: Sequence[Trial]) -> list[Table]:
    found = []
    for kind in KINDS:
        trials = of_kind(known, kind)
        expected = {held.regime.name: held.expected for held in held_out(trials)}
        rows: list[tuple[Cell, ...]] = [
            (
                regime.name,
                len(regime.trials),
                f"{regime.gain:+z.2f}",
                _gain(expected.get(regime.name)),
                ", ".join(dict.fromkeys(trial.source for trial in regime.trials)),
            )
            for regime in regimes(trials)
        ]
        line = law(trials)
        note = "too few lengths for a line" if line is None else f"gain = {line.limit:z.2f} {line.slope:+z.0f} / epochs"
        columns = ("data and length", "settings", "gain", "expected from the others", "source")
        found.append(Table(columns, tuple(rows), f"Trials of {NAMES[kind]}", f"{note}."))
    return found


def _gain(gain: Interval | None) -> str:
    return "" if gain is None else f"{gain.mean:+z.2f} ({gain.low:+z.2f} to {gain.high:+z.2f})"


def _words(option: Option) -> str:
    if option.kind == "standard":
        return ""
    if option.refused:
        return "cannot serve these students"
    return {"friendly": "better", "standard": "worse", "cannot tell": "cannot tell"}[option.verdict]


def _duration(seconds: float) -> str:
    """ "3.4 h", "12 min", "40 s"; "-" where it is not known."""
    if not defined(seconds):
        return "-"
    if seconds >= HOUR:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / MINUTE:.0f} min" if seconds >= 2 * MINUTE else f"{math.ceil(seconds)} s"
