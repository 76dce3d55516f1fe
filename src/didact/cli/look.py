"""What ``didact look`` prints: a run beside its teacher or another run, on the test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from didact.analysis import answers
from didact.analysis.layers import Compared
from didact.cli import answer, terminal
from didact.studies.layers import Layers
from didact.studies.look import Look, look
from didact.studies.store import Store

CLASSES = 5
"""So many of the worst and of the best classes are shown, where there are more than twice as many."""

PAIRS = 8
"""So many of each network's most frequent mistakes are shown."""


def report(
    asked: str, against: str | None, layers: Layers | None, store: Path, device: str, picture: Path | None, as_json: bool
) -> None:
    """Look, print, and draw where a picture is asked for (which compares layers, too).

    Raises:
        SpecError: see :func:`didact.studies.look.look`.
    """
    talk = terminal.stderr()
    kept = Store(store, lambda message: talk.print(message, markup=False))
    found = look(kept, asked, against, layers, device)
    written: list[Path] = []
    if picture is not None:
        from didact.report.look import pictures

        written = pictures(found, picture)
    if as_json:
        answer.print_json(found.plain() | {"pictures": [str(path) for path in written]})
        return
    for line in _summary(found):
        print(line)
    _print_classes(found)
    _print_confused(found)
    if found.layers is not None:
        _print_layers(found.layers, found)
    for path in written:
        print(f"Picture: {path}")


def _summary(found: Look) -> list[str]:
    own, other = found.own, found.other
    right = found.right()
    return [
        f"{own.title} beside {other.title}: {own.run.data.label}, {len(found.dataset.test)} test images",
        *(
            f"{side.role}: accuracy {side.accuracy:.2f} %, ECE {side.reliability.ece:.2f} % ({len(side.reliability.counts)} bins)"
            for side in (own, other)
        ),
        f"KL({other.role} || {own.role}): {found.kl:.4f} nats",
        f"agreement: {found.agreement:.2f} %; they disagree on {len(found.differ)} images: {own.role} right on {right[0]}, "
        f"{other.role} right on {right[1]}, neither on {right[2]}",
    ]


def _print_classes(found: Look) -> None:
    """Accuracy by class, ordered by own's: all classes, or the worst and the best."""
    own, other = (answers.by_class(side.confusion) for side in (found.own, found.other))
    order = [at for at in own.argsort(stable=True).tolist() if own[at] == own[at]]
    title = "accuracy by class (%)"
    if len(order) > 2 * CLASSES:
        title = f"the {CLASSES} worst and {CLASSES} best of {len(order)} classes: accuracy (%)"
        order = order[:CLASSES] + order[-CLASSES:]
    names = found.dataset.names
    rows = [[names[at], f"{own[at]:.1f}", f"{other[at]:.1f}", f"{own[at] - other[at]:+.1f}"] for at in order]
    terminal.print_rows(["class", found.own.role, found.other.role, "difference"], rows, title)


def _print_confused(found: Look) -> None:
    names = found.dataset.names
    rows: list[list[Any]] = []
    for side in (found.own, found.other):
        for pair in answers.confused(side.confusion, PAIRS):
            rows.append([side.role, names[pair.label], names[pair.answer], pair.images, f"{pair.share:.1f}"])
    if rows:
        heading = ["network", "class", "taken for", "images", "% of the class"]
        terminal.print_rows(heading, rows, f"most confused, at most {PAIRS} each")


def _print_layers(compared: Compared, found: Look) -> None:
    rows = [
        [name, *(f"{value:.3f}" if value == value else "-" for value in values)]
        for name, values in zip(compared.rows, compared.values.tolist(), strict=True)
    ]
    heading = [f"{found.own.role} / {found.other.role}", *compared.columns]
    terminal.print_rows(
        heading, rows, f"{compared.title}: layers of {found.own.role} by row, of {found.other.role} by column"
    )
