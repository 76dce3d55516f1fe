"""The front of a search as a table, and in words what was picked and how far it can be relied on."""

from __future__ import annotations

from collections.abc import Sequence

from didact.runs.labels import teacher_label
from didact.runs.run import Run
from didact.search.correlation import Correlation
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront
from didact.tables.fit import weight_size
from didact.tables.table import Cell, Quantity, Table

_COSTS = {"parameters": "parameters", "macs": "MACs", "bytes": "size", "latency": "latency"}


def table(front: ParetoFront, teacher: Run, compared: Sequence[Correlation]) -> Table:
    """The students of the front, and what is to be known of them in the note."""
    timed = front.members[0].latency is not None
    widths = sorted({front.wanted.bits, 32})
    columns = ["pick", "student", "predicted accuracy (%)", "parameters", "MACs (million)"]
    columns += [f"size at {bits} bit" for bits in widths] + (["ms for one image"] if timed else [])
    rows = tuple(_row(front, one, widths) for one in front.members)
    against = f"predicted accuracy against {_COSTS[front.wanted.cost]}"
    title = f"{teacher_label(teacher)}, {teacher.data.label}: {against}{_limits(front.wanted)}"
    return Table(tuple(columns), rows, title, "\n".join([picked(front), tried(front), *_reliable(front, compared)]))


def _row(front: ParetoFront, one: Member, widths: Sequence[int]) -> tuple[Cell, ...]:
    accuracy, macs = Quantity.single(one.accuracy), Quantity.single(one.macs / 1e6)
    sizes = [weight_size(one.bytes(bits)) for bits in widths]
    latency = [] if one.latency is None else [Quantity.single(one.latency)]
    return (front.labels(one.name), one.name, accuracy, one.parameters, macs, *sizes, *latency)


def _limits(settings: SearchSettings) -> str:
    given = {
        "parameters": settings.max_parameters,
        "MACs": settings.max_macs,
        f"bytes at {settings.bits} bit": settings.max_bytes,
        "ms": settings.max_latency,
    }
    limits = [f"at most {value:,} {what}" for what, value in given.items() if value is not None]
    limits += [f"{settings.target.name} holds it at {settings.bits} bit"] if settings.target else []
    return f" ({', '.join(limits)})" if limits else ""


def picked(front: ParetoFront) -> str:
    """What s_nas, m_nas and l_nas are."""
    cost, count = _COSTS[front.wanted.cost], len(front.members)
    words = {"parameters": "fewest parameters", "macs": "fewest MACs", "bytes": "smallest size", "latency": "lowest latency"}
    cheapest = words[front.wanted.cost]
    if count == 1:
        return (
            f"The front is a single student: the one with the {cheapest} is also the most accurate, so it is "
            "both s_nas and l_nas, and there is no m_nas."
        )
    ends = f"s_nas: the {cheapest}; l_nas: the most accurate; "
    if count == 2:
        return ends + "the front has two students, so there is no m_nas between them."
    return ends + f"m_nas: between them the one with the most accuracy for its {cost} (the knee)."


def tried(front: ParetoFront) -> str:
    """How many students were predicted, and the best one that the front beats."""
    done, size = len(front.members) + len(front.others), front.size
    line = f"Predicted {done:,} of the pool's {size:,} students: {len(front.members):,} on the front"
    if front.others:
        best = min(front.others, key=lambda one: (-one.accuracy, one.cost, one.name))
        better = next(one for one in front.members if one.accuracy >= best.accuracy and one.cost <= best.cost)
        line += f", {len(front.others):,} beaten; the best of these is {best.name}, {best.accuracy:.2f} % with "
        line += f"{best.parameters:,} parameters, beaten by {better.name}"
    # a pool that has no more students than trials is predicted completely
    return line + "." + (f" The other {size - done:,} exceed a limit." if done < size <= front.wanted.trials else "")


def _reliable(front: ParetoFront, compared: Sequence[Correlation]) -> list[str]:
    """Where the predictions are from, and what is known of how good they are."""
    lines = [
        f"Predicted with the supernet's weights on {front.images:,} validation images; the test set chose nothing. "
        f"Standard error of the best: {front.error:.1f} points."
    ]
    for one in compared:
        if one.own:
            tau, size = ("not defined, all are equal" if t is None else f"{t:.2f}" for t in (one.tau, one.by_size))
            lines.append(
                f"Kendall's tau of prediction and test accuracy, {len(one.students)} students by {one.trained}: {tau}; "
                f"of their parameters alone: {size}"
            )
    return lines
