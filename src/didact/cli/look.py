"""``didact look``: a run beside its teacher or another run, on the test set. Imports no torch before it runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, StorePath, TrustStore, exactly
from didact.spec import Count, SpecError
from didact.streams import say

if TYPE_CHECKING:
    from didact.analysis.layers import Compared
    from didact.measure.comparison import Comparison
    from didact.measure.layers import LayerComparison

CLASSES = 5
"""So many of the worst and of the best classes are shown, where there are more than twice as many."""

PAIRS = 8
"""So many of each network's most frequent mistakes are shown."""


def look(
    run: Annotated[str, Parameter(help="A digest, or the beginning of one, or a folder's name.")],
    *,
    against: Annotated[
        str | None, Parameter(help="Another run of the same data; by default its teacher, if it has one.")
    ] = None,
    layers: Annotated[bool, Parameter(negative="", help="CKA between any two layers, too.")] = False,
    kind: Annotated[Literal["linear", "rbf"] | None, Parameter(help="The kernel of the CKA; linear by default.")] = None,
    biased: Annotated[bool, Parameter(negative="", help="The usual, biased CKA instead of the debiased one.")] = False,
    images: Annotated[
        int | None,
        Parameter(
            converter=exactly(Count), help="At most so many test images for the CKA, from the first; 2000 by default."
        ),
    ] = None,
    picture: Annotated[Path | None, Parameter(help="Save pictures beside this name (png, svg or pdf).")] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    json: Json = False,
) -> int:
    """Look and print; what ``--help`` says stands where the command is named."""
    from didact.cli.missing import missing_teachers
    from didact.measure.comparison import compare as study

    picture = answer.picture_path(picture)
    wanted = _layers(images, kind, biased, layers or picture is not None)
    kept = answer.opened(store, trust_store)
    found = study(kept, run, against, wanted, answer.device(device))
    if found.other is None:
        missing_teachers(kept, [found.own.run])
    if json:
        from didact.report.look import paths

        drawn = [str(path) for path in paths(found, picture).values()] if picture is not None else []
        answer.print_json(found.plain() | ({"cka": None} if wanted and not found.layers else {}) | {"pictures": drawn})
    else:
        _print(found)
    if picture is not None:
        _draw(found, picture, told=not json)
    return 0


def _layers(
    images: int | None, kind: Literal["linear", "rbf"] | None, biased: bool, compared: bool
) -> LayerComparison | None:
    """The comparison of layers that the options name.

    Raises:
        SpecError: none is, and it is said how.
    """
    from didact.measure.layers import LayerComparison

    given: dict[str, Any] = {"images": images, "kind": kind, "unbiased": False if biased else None}
    given = {name: value for name, value in given.items() if value is not None}
    if given and not compared:
        option = {"images": "--images", "kind": "--kind", "unbiased": "--biased"}[next(iter(given))]
        raise SpecError(f"{option} is for the comparison of layers: add --layers, or leave {option} out")
    return LayerComparison(**given) if compared else None


def _draw(found: Comparison, picture: Path, told: bool) -> None:
    from didact.report.look import left_out, pictures
    from didact.report.text import stderr

    for path in pictures(found, picture):
        if told:
            say(f"Picture: {path}")
    for what, why in left_out(found).items():
        stderr().print(f"no picture of {what}: {why}")


def _print(found: Comparison) -> None:
    for line in _summary(found):
        say(line)
    _print_classes(found)
    _print_confused(found)
    if found.layers is not None:
        _print_layers(found.layers, found)


def _summary(found: Comparison) -> list[str]:
    from didact.runs.spread import text

    own, other, role = found.own, found.other, _role(found)
    right = found.right()
    differ = right and (
        f"; they disagree on {sum(right)} images: {own.role} right on {right[0]}, {role} right on {right[1]}, "
        f"neither on {right[2]}"
    )
    return [
        f"{own.title}{f' beside {other.title}' if other else ''}: {own.run.data.label}, {len(found.dataset.test)} test images",
        *(
            f"{side.role}: accuracy {text(side.accuracy)} %, ECE {text(side.reliability.ece)} % "
            f"({len(side.reliability.counts)} bins)"
            for side in (own, other)
            if side is not None
        ),
        *([] if other else [f"{role}: accuracy -, ECE -"]),
        f"KL({role} || {own.role}): {text(found.kl, 4)} nats",
        f"agreement: {text(found.agreement)} %{differ or ''}",
    ]


def _role(found: Comparison) -> str:
    """Of the one beside."""
    return found.other.role if found.other else "teacher"


def _print_classes(found: Comparison) -> None:
    """Accuracy by class, ordered by own's: all classes, or the worst and the best."""
    from didact.analysis import answers
    from didact.report.text import print_rows
    from didact.runs.spread import text

    own = answers.by_class(found.own.confusion)
    other = answers.by_class(found.other.confusion) if found.other else own * math.nan
    order = [at for at in own.argsort(stable=True).tolist() if own[at] == own[at]]
    title = "accuracy by class (%)"
    if len(order) > 2 * CLASSES:
        title = f"the {CLASSES} worst and {CLASSES} best of {len(order)} classes: accuracy (%)"
        order = order[:CLASSES] + order[-CLASSES:]
    names = found.dataset.names
    figures = [(at, float(own[at]), float(other[at])) for at in order]
    rows = [[names[at], text(a, 1), text(b, 1), text(a - b, 1, sign=True)] for at, a, b in figures]
    print_rows(["class", found.own.role, _role(found), "difference"], rows, title)


def _print_confused(found: Comparison) -> None:
    from didact.analysis import answers
    from didact.report.text import print_rows

    names = found.dataset.names
    rows: list[list[Any]] = []
    for side in (found.own, *([found.other] if found.other else [])):
        for pair in answers.confused(side.confusion, PAIRS):
            rows.append([side.role, names[pair.label], names[pair.answer], pair.images, f"{pair.share:.1f}"])
    if rows:
        heading = ["network", "class", "taken for", "images", "% of the class"]
        print_rows(heading, rows, f"most confused, at most {PAIRS} each")


def _print_layers(compared: Compared, found: Comparison) -> None:
    from didact.report.text import print_rows
    from didact.runs.spread import text

    rows = [
        [name, *(text(value, 3) for value in values)]
        for name, values in zip(compared.rows, compared.values.tolist(), strict=True)
    ]
    heading = [f"{found.own.role} / {_role(found)}", *compared.columns]
    print_rows(heading, rows, f"{compared.title}: layers of {found.own.role} by row, of {_role(found)} by column")
