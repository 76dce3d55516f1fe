"""The Pareto front of a search as a table, with notes on the picks and the reliability of the
predictions."""

from __future__ import annotations

from collections.abc import Sequence

from didact.deploy.fit import lacks
from didact.deploy.measured import Measured
from didact.runs.labels import teacher_label
from didact.runs.run import Run
from didact.search.correlation import Correlation
from didact.search.costs import SearchSettings
from didact.search.pareto import Member, ParetoFront
from didact.spec import clean
from didact.tables.fit import weight_size
from didact.tables.table import Cell, Quantity, Table

FILES = (
    "Measured: file, its accuracy on the test images by its own runtime, ms by didact bench --keep. All else is computed or, "
    "as the accuracy, predicted; ms for one image is measured."
)
"""What of a front with files is measured."""

_BY = {"torch": "torch", "onnx": "ONNX Runtime"}
_COSTS = {"parameters": "parameters", "macs": "MACs", "bytes": "size", "latency": "latency"}


def table(front: ParetoFront, teacher: Run, compared: Sequence[Correlation], files: Sequence[Measured] = ()) -> Table:
    """The students of the front; the note explains the picks and the predictions.

    Args:
        files: exported files; those of students of the front are shown as measured.
    """
    timed = front.members[0].latency is not None
    widths = sorted({front.settings.bits, 32})
    columns = ["pick", "student", "predicted accuracy (%)", "parameters", "MACs (million)"]
    columns += [f"size at {bits} bit" for bits in widths] + (
        [f"ms for one image, {_BY[front.settings.runtime]}"] if timed else []
    )
    rows = tuple(_row(front, member, widths) for member in front.members)
    notes = [picked(front), tried(front), *_reliable(front, compared)]
    if files:
        kinds = _kinds(widths, files)
        columns += [
            f"{what} at {bits} bit{f', {form}' if len({form for _, form in kinds}) > 1 else ''}"
            for bits, form in kinds
            for what in ("file", "accuracy of file (%)", "ms of file")
        ]
        shown = [[_first(member.name, kind, files) for kind in kinds] for member in front.members]
        rows = tuple((*row, *_measured(own)) for row, own in zip(rows, shown, strict=True))
        notes += [FILES, *_left(front, files, [one for own in shown for one in own]), *beyond(front, files)]
    against = f"predicted accuracy against {_COSTS[front.settings.cost]}"
    title = f"{teacher_label(teacher)}, {teacher.data.label}: {against}{_limits(front.settings)}"
    return Table(tuple(columns), rows, title, "\n".join(notes))


def _kinds(widths: Sequence[int], files: Sequence[Measured]) -> list[tuple[int, str]]:
    """Bit widths and forms that have columns: every form that a file has at a width, and where there
    is no file at a width, the first form of all."""
    forms = list(dict.fromkeys(file.form for file in files))
    there = {(file.arithmetic.bits, file.form) for file in files}
    return [(bits, form) for bits in widths for form in ([one for one in forms if (bits, one) in there] or forms[:1])]


def _first(name: str, kind: tuple[int, str], files: Sequence[Measured]) -> Measured | None:
    """The first file of a student at a bit width and in a form."""
    return next((file for file in files if file.name == name and (file.arithmetic.bits, file.form) == kind), None)


def _left(front: ParetoFront, files: Sequence[Measured], shown: Sequence[Measured | None]) -> list[str]:
    """A line for each file of a student of the front that has no cell, because another one has it."""
    names = {member.name for member in front.members}
    return [
        f"Not shown: {clean(file.path.name)}, another {file.form} file of {file.name} at {file.arithmetic.bits} bit."
        for file in files
        if file.name in names and not any(file is one for one in shown)
    ]


def _measured(files: Sequence[Measured | None]) -> list[Cell]:
    """Size, accuracy and latency of each file; "-" where there is none."""
    cells: list[Cell] = []
    for one in files:
        latency = None if one is None else one.latency()
        cells += ["-", "-"] if one is None else [weight_size(one.size), f"{one.about['accuracy']['file']:.2f}"]
        cells.append("-" if latency is None else f"{latency:.3f}")
    return cells


def beyond(front: ParetoFront, files: Sequence[Measured]) -> list[str]:
    """A line for each student of the front that meets the limits as computed, but exceeds them with
    its file."""
    settings, lines = front.settings, list[str]()
    names = {member.name for member in front.members}
    for file in files:
        if file.name not in names or file.arithmetic.bits != settings.bits:
            continue
        which = f" ({clean(file.path.name)})"
        if settings.max_bytes is not None and file.size > settings.max_bytes:
            lines.append(
                f"NOT WITHIN THE LIMIT: the file of {file.name} has {file.size:,} bytes, of {settings.max_bytes:,}{which}."
            )
        if settings.target is not None:
            missing = lacks(settings.target, file.size, file.activations)
            more = ", ".join(f"{count:,} bytes for {part}" for part, count in missing.items())
            lines += (
                [f"NOT WITHIN THE LIMIT: {settings.target.name} lacks {more} for the file of {file.name}{which}."]
                if more
                else []
            )
        latency = file.latency()
        if settings.max_latency is not None and latency is not None and latency > settings.max_latency:
            lines.append(
                f"NOT WITHIN THE LIMIT: the file of {file.name} takes {latency:.3f} ms for an image, "
                f"of {settings.max_latency:g}{which}."
            )
    return lines


def _row(front: ParetoFront, member: Member, widths: Sequence[int]) -> tuple[Cell, ...]:
    accuracy, macs = Quantity.single(member.accuracy), Quantity.single(member.macs / 1e6)
    sizes = [weight_size(member.bytes(bits)) for bits in widths]
    latency = [] if member.latency is None else [Quantity.single(member.latency, 3)]
    return (front.labels(member.name), member.name, accuracy, member.parameters, macs, *sizes, *latency)


def _limits(settings: SearchSettings) -> str:
    maxima = {
        "parameters": settings.max_parameters,
        "MACs": settings.max_macs,
        f"bytes at {settings.bits} bit": settings.max_bytes,
        "ms": settings.max_latency,
    }
    limits = [f"at most {value:,} {unit}" for unit, value in maxima.items() if value is not None]
    limits += [f"{settings.target.name} holds it at {settings.bits} bit"] if settings.target else []
    return f" ({', '.join(limits)})" if limits else ""


def picked(front: ParetoFront) -> str:
    """Explains the picks s_nas, m_nas and l_nas."""
    cost, count = _COSTS[front.settings.cost], len(front.members)
    words = {"parameters": "fewest parameters", "macs": "fewest MACs", "bytes": "smallest size", "latency": "lowest latency"}
    cheapest = words[front.settings.cost]
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
    """The number of predicted students, and the best one that the front dominates."""
    done, size = len(front.members) + len(front.others), front.size
    line = f"Predicted {done:,} of the pool's {size:,} students: {len(front.members):,} on the front"
    if front.others:
        best = min(front.others, key=lambda other: (-other.accuracy, other.cost, other.name))
        better = next(m for m in front.members if m.accuracy >= best.accuracy and m.cost <= best.cost)
        line += f", {len(front.others):,} dominated; the best of these is {best.name}, {best.accuracy:.2f} % with "
        line += f"{best.parameters:,} parameters, dominated by {better.name}"
    # a pool with no more students than trials is predicted completely
    return line + "." + (f" The other {size - done:,} exceed a limit." if done < size <= front.settings.trials else "")


def _reliable(front: ParetoFront, compared: Sequence[Correlation]) -> list[str]:
    """The source of the predictions, and their known rank correlation with test accuracies."""
    lines = [
        f"Predicted with the supernet's weights on {front.images:,} validation images; the test set was not used. "
        f"Standard error of the best: {front.error:.1f} points."
    ]
    for c in compared:
        if c.own:
            tau, size = ("undefined, because all are equal" if t is None else f"{t:z.2f}" for t in (c.tau, c.by_size))
            lines.append(
                f"Kendall's tau of prediction and test accuracy, {len(c.students)} students by {c.trained}: {tau}; "
                f"of parameters and test accuracy: {size}"
            )
    return lines
