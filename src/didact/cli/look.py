"""``didact look``: a run beside its teacher or another run, on the test set. Imports no torch before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from didact.cli import answer
from didact.cli.options import STORE, Device, Json, StorePath, TrustStore
from didact.cli.streams import say

if TYPE_CHECKING:
    from didact.analysis.layers import Compared
    from didact.studies.look import Look

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
    kind: Annotated[Literal["linear", "rbf"], Parameter(help="The kernel of the CKA.")] = "linear",
    biased: Annotated[bool, Parameter(negative="", help="The usual, biased CKA instead of the debiased one.")] = False,
    images: Annotated[int, Parameter(help="At most so many test images for the CKA, from the first.")] = 2000,
    picture: Annotated[Path | None, Parameter(help="Save pictures beside this name (png, svg or pdf).")] = None,
    store: StorePath = STORE,
    trust_store: TrustStore = False,
    device: Device = None,
    json: Json = False,
) -> int:
    """Look and print; what ``--help`` says stands where the command is named."""
    from didact.studies.layers import Layers
    from didact.studies.look import look as study

    picture = answer.picture_path(picture)
    wanted = Layers(images=images, kind=kind, unbiased=not biased) if layers or picture is not None else None
    kept = answer.opened(store, trust_store)
    found = study(kept, run, against, wanted, answer.device(device))
    written: list[Path] = []
    if picture is not None:
        from didact.report.look import pictures

        written = pictures(found, picture)
    if json:
        answer.print_json(found.plain() | {"pictures": [str(path) for path in written]})
    else:
        _print(found, written)
    return 0


def _print(found: Look, written: list[Path]) -> None:
    for line in _summary(found):
        say(line)
    _print_classes(found)
    _print_confused(found)
    if found.layers is not None:
        _print_layers(found.layers, found)
    for path in written:
        say(f"Picture: {path}")


def _summary(found: Look) -> list[str]:
    from didact.studies.spread import text

    own, other = found.own, found.other
    right = found.right()
    return [
        f"{own.title} beside {other.title}: {own.run.data.label}, {len(found.dataset.test)} test images",
        *(
            f"{side.role}: accuracy {text(side.accuracy)} %, ECE {text(side.reliability.ece)} % "
            f"({len(side.reliability.counts)} bins)"
            for side in (own, other)
        ),
        f"KL({other.role} || {own.role}): {text(found.kl, 4)} nats",
        f"agreement: {text(found.agreement)} %; they disagree on {len(found.differ)} images: {own.role} right on {right[0]}, "
        f"{other.role} right on {right[1]}, neither on {right[2]}",
    ]


def _print_classes(found: Look) -> None:
    """Accuracy by class, ordered by own's: all classes, or the worst and the best."""
    from didact.analysis import answers
    from didact.cli.terminal import print_rows
    from didact.studies.spread import text

    own, other = (answers.by_class(side.confusion) for side in (found.own, found.other))
    order = [at for at in own.argsort(stable=True).tolist() if own[at] == own[at]]
    title = "accuracy by class (%)"
    if len(order) > 2 * CLASSES:
        title = f"the {CLASSES} worst and {CLASSES} best of {len(order)} classes: accuracy (%)"
        order = order[:CLASSES] + order[-CLASSES:]
    names = found.dataset.names
    figures = [(at, float(own[at]), float(other[at])) for at in order]
    rows = [[names[at], text(a, 1), text(b, 1), text(a - b, 1, sign=True)] for at, a, b in figures]
    print_rows(["class", found.own.role, found.other.role, "difference"], rows, title)


def _print_confused(found: Look) -> None:
    from didact.analysis import answers
    from didact.cli.terminal import print_rows

    names = found.dataset.names
    rows: list[list[Any]] = []
    for side in (found.own, found.other):
        for pair in answers.confused(side.confusion, PAIRS):
            rows.append([side.role, names[pair.label], names[pair.answer], pair.images, f"{pair.share:.1f}"])
    if rows:
        heading = ["network", "class", "taken for", "images", "% of the class"]
        print_rows(heading, rows, f"most confused, at most {PAIRS} each")


def _print_layers(compared: Compared, found: Look) -> None:
    from didact.cli.terminal import print_rows
    from didact.studies.spread import text

    rows = [
        [name, *(text(value, 3) for value in values)]
        for name, values in zip(compared.rows, compared.values.tolist(), strict=True)
    ]
    heading = [f"{found.own.role} / {found.other.role}", *compared.columns]
    print_rows(heading, rows, f"{compared.title}: layers of {found.own.role} by row, of {found.other.role} by column")
