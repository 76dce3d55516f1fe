"""Tables that compare two networks: accuracy by class, most frequent mistakes, similarity of
layers."""

from __future__ import annotations

import math

from didact.analysis import answers
from didact.analysis.layers import Compared
from didact.measure.comparison import Comparison, Side
from didact.runs.spread import text
from didact.tables.table import Cell, Quantity, Table

CLASSES = 5
"""How many of the worst and of the best classes to show, if there are more than twice as many."""

PAIRS = 8
"""How many of each network's most frequent mistakes to show."""


def tables(look: Comparison) -> list[Table]:
    """All tables of a comparison."""
    mistakes = [table for table in [confused(look)] if table.rows]
    return [classes(look), *mistakes, *([layers(look.layers, look)] if look.layers is not None else [])]


def summary(look: Comparison) -> list[str]:
    """The figures of each network and of the pair, as lines of text."""
    own, other, role = look.own, look.other, _role(look)
    right = look.right()
    differ = right and (
        f"; they disagree on {sum(right)} images: {own.role} right on {right[0]}, {role} right on {right[1]}, "
        f"neither on {right[2]}"
    )
    return [
        f"{own.title}{f' and {other.title}' if other else ''}: {own.run.data.label}, {len(look.dataset.test)} test images",
        *(
            f"{side.role}: accuracy {text(side.accuracy)} %, ECE {text(side.reliability.ece)} % "
            f"({len(side.reliability.counts)} bins)"
            for side in (own, other)
            if side is not None
        ),
        *(line for side in (own, other) if side is not None for line in _elsewhere(side)),
        *([] if other else [f"{role}: accuracy -, ECE -"]),
        f"KL({role} || {own.role}): {text(look.kl, 4)} nats",
        f"agreement: {text(look.agreement)} %{differ or ''}",
    ]


def _elsewhere(side: Side) -> list[str]:
    """Why other tables have another accuracy of the network, where they have one."""
    if text(side.accuracy) == text(side.recorded):
        return []
    return [
        f"{side.role}: {text(side.recorded)} % in the Record and in tables of results, measured in the "
        f"{side.run.recipe.precision} of its training; all figures here are computed in fp32"
    ]


def classes(look: Comparison) -> Table:
    """Accuracy by class, in the order of the first network's accuracy: all classes, or the worst
    and best."""
    own = answers.by_class(look.own.confusion)
    other = answers.by_class(look.other.confusion) if look.other else own * math.nan
    order = [at for at in own.argsort(stable=True).tolist() if own[at] == own[at]]
    title = "accuracy by class (%)"
    if len(order) > 2 * CLASSES:
        title = f"the {CLASSES} worst and {CLASSES} best of {len(order)} classes: accuracy (%)"
        order = order[:CLASSES] + order[-CLASSES:]
    figures = [(look.dataset.names[at], float(own[at]), float(other[at])) for at in order]
    rows = [
        (name, Quantity.single(a, 1), Quantity.single(b, 1), Quantity.single(a - b, 1, sign=True)) for name, a, b in figures
    ]
    return Table(("class", look.own.role, _role(look), "difference"), tuple(rows), title)


def confused(look: Comparison) -> Table:
    """Each network's most frequent mistakes."""
    names = look.dataset.names
    rows: list[tuple[Cell, ...]] = []
    for side in (look.own, *([look.other] if look.other else [])):
        for pair in answers.confused(side.confusion, PAIRS):
            rows.append((side.role, names[pair.label], names[pair.answer], pair.images, Quantity.single(pair.share, 1)))
    columns = ("network", "class", "taken for", "images", "% of the class")
    return Table(columns, tuple(rows), f"most confused, at most {PAIRS} each")


def layers(compared: Compared, look: Comparison) -> Table:
    """CKA of every pair of layers."""
    rows = [
        (name, *(Quantity.single(value, 3) for value in values))
        for name, values in zip(compared.rows, compared.values.tolist(), strict=True)
    ]
    columns = (f"{look.own.role} / {_role(look)}", *compared.columns)
    title = f"{compared.title}: layers of {look.own.role} by row, of {_role(look)} by column"
    return Table(columns, tuple(rows), title)


def _role(look: Comparison) -> str:
    """The role of the second network."""
    return look.other.role if look.other else "teacher"
