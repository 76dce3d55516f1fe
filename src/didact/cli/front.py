"""What ``didact search`` prints of the front that it found."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from didact.cli import answer
from didact.cli.devices import megabytes
from didact.data import facts
from didact.report.text import print_rows
from didact.request.command import alone
from didact.request.command import command as distil
from didact.runs.labels import teacher_label
from didact.runs.run import Run
from didact.search.correlation import Correlation, rank_correlation
from didact.search.costs import SearchSettings
from didact.search.pareto import ParetoFront
from didact.search.predict import Predictor
from didact.search.search import search
from didact.store.store import Store
from didact.streams import say

LONGER = 3
"""How many times the epochs are proposed for a teacher whose supernet has learned nothing."""

_COSTS = {"parameters": "parameters", "macs": "MACs", "bytes": "size", "latency": "latency"}


def report(
    store: Store,
    teacher: Run,
    wanted: SearchSettings,
    device: str,
    tell: Callable[[int, int], None],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Search, then print the front, how far it can be relied on, and the command that goes on from it.

    Raises:
        SpecError, LookupError: as :func:`didact.search.search.search`.
    """
    found = search(store, teacher, wanted, device, tell)
    compared = rank_correlation(Predictor(store, teacher, wanted.images, device), store)
    command = distil(teacher, list(dict.fromkeys(found.picks.values())), store.root)
    if as_json:
        told = {
            "rank_correlation": [one.plain() for one in compared],
            "distil": command,
            "picture": picture and str(picture),
        }
        answer.print_json(found.plain() | told)
    else:
        print_rows(*_table(found), _title(found, teacher))
        for line in (*_picked(found), *_tried(found), *_reliable(found, compared, teacher, store)):
            say(line)
        say(_onwards(found, teacher, command, store))
    if picture is not None:
        from didact.report.front import picture as draw

        draw(found, f"students for {teacher_label(teacher)}; {teacher.data.label}", picture)
        if not as_json:
            say(f"Picture: {picture}")


def _title(found: ParetoFront, teacher: Run) -> str:
    against = f"predicted accuracy against {_COSTS[found.wanted.cost]}"
    return f"{teacher_label(teacher)}, {teacher.data.label}: {against}{_limits(found.wanted)}"


def _limits(wanted: SearchSettings) -> str:
    given = {
        "parameters": wanted.max_parameters,
        "MACs": wanted.max_macs,
        f"bytes at {wanted.bits} bit": wanted.max_bytes,
        "ms": wanted.max_latency,
    }
    said = [f"at most {value:,} {what}" for what, value in given.items() if value is not None]
    said += [f"{wanted.device.name} holds it at {wanted.bits} bit"] if wanted.device else []
    return f" ({', '.join(said)})" if said else ""


def _table(found: ParetoFront) -> tuple[list[str], list[list[str]]]:
    timed = found.members[0].latency is not None
    widths = sorted({found.wanted.bits, 32})
    heading = ["pick", "student", "predicted accuracy (%)", "parameters", "MACs (million)"]
    heading += [f"size at {bits} bit" for bits in widths] + (["ms for one image"] if timed else [])
    rows = []
    for one in found.members:
        row = [found.labels(one.name), one.name, f"{one.accuracy:.2f}", f"{one.parameters:,}", f"{one.macs / 1e6:,.2f}"]
        rows.append(row + [size(one.bytes(bits)) for bits in widths] + ([f"{one.latency:.2f}"] if timed else []))
    return heading, rows


def size(count: int) -> str:
    """Bytes in decimal kilobytes or megabytes, to three digits: "70.4 KB"."""
    return f"{count / 1e3:.3g} KB" if count < 999_500 else f"{megabytes(count)} MB"


def _picked(found: ParetoFront) -> list[str]:
    cost, many = _COSTS[found.wanted.cost], len(found.members)
    words = {"parameters": "fewest parameters", "macs": "fewest MACs", "bytes": "smallest size", "latency": "lowest latency"}
    if many == 1:
        return [
            f"The front is a single student: the one with the {words[found.wanted.cost]} is also the most accurate, so it is "
            "both s_nas and l_nas, and there is no m_nas."
        ]
    told = f"s_nas: the {words[found.wanted.cost]}; l_nas: the most accurate; "
    if many == 2:
        return [told + "the front has two students, so there is no m_nas between them."]
    return [told + f"m_nas: between them the one with the most accuracy for its {cost} (the knee)."]


def _tried(found: ParetoFront) -> list[str]:
    done, size_ = len(found.members) + len(found.others), found.size
    line = f"Predicted {done:,} of the pool's {size_:,} students: {len(found.members):,} on the front"
    if found.others:
        best = min(found.others, key=lambda one: (-one.accuracy, one.cost, one.name))
        better = next(one for one in found.members if one.accuracy >= best.accuracy and one.cost <= best.cost)
        line += f", {len(found.others):,} beaten; the best of these is {best.name}, {best.accuracy:.2f} % with "
        line += f"{best.parameters:,} parameters, beaten by {better.name}"
    # a pool that has no more students than trials is predicted completely
    beyond = f" The other {size_ - done:,} exceed a limit." if done < size_ <= found.wanted.trials else ""
    return [line + "." + beyond]


def _reliable(found: ParetoFront, compared: list[Correlation], teacher: Run, store: Store) -> list[str]:
    """Where the predictions are from, and what is known of how good they are."""
    lines = [
        f"Predicted with the supernet's weights on {found.images:,} validation images; the test set chose nothing. "
        f"Standard error of the best: {found.error:.1f} points."
    ]
    for one in compared:
        if one.own:
            tau, size = ("not defined, all are equal" if t is None else f"{t:.2f}" for t in (one.tau, one.by_size))
            lines.append(
                f"Kendall's tau of prediction and test accuracy, {len(one.students)} students by {one.trained}: {tau}; "
                f"of their parameters alone: {size}"
            )
    if compared:
        line = shlex.join(["didact", "search", teacher.digest, "--trained", "--store", str(store.root)])
        lines.append(f"Students of the pool that were trained, beside their predictions: {line}")
    return lines


def _onwards(found: ParetoFront, teacher: Run, command: str | None, store: Store) -> str:
    if not found.at_chance:
        lines = (
            ("Distil to the students picked:", command)
            if command
            else ("From Python: Run(net=..., teacher=...) distils to any of them.",)
        )
        return "\n".join(lines)
    return warning(found.best.accuracy, found.guess, found.images, teacher, store)


def warning(best: float, guess: float, images: int, teacher: Run, store: Store) -> str:
    """What to do with a supernet whose best prediction is at chance."""
    epochs = teacher.recipe.epochs
    line = alone(replace(teacher, recipe=replace(teacher.recipe, epochs=LONGER * epochs)), store.root)
    return (
        f"WARNING: the supernet predicts {best:.1f} % at best, which is no better than guessing "
        f"({facts(teacher.data).classes} classes; the most frequent one is {guess:.1f} % of {images:,} images): its order means "
        f"nothing. Train the teacher longer than {epochs} epoch{'s' if epochs > 1 else ''}" + (f":\n{line}" if line else ".")
    )
