"""The table of the answers that a store keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from didact.spec import clean
from didact.store.answers.series import Series
from didact.tables.listing import Listing
from didact.tables.table import Cell


def kept_answers(series: Sequence[Series]) -> Listing:
    """Answers of teachers that a store keeps: of which network, for which batches, how many epochs,
    their size."""
    rows: list[list[Cell]] = []
    for one in series:
        about = {key: clean(value) for key, value in one.about.items()}
        used = datetime.fromtimestamp(one.used).astimezone().isoformat(" ", "minutes") if one.used else "-"
        batches = f"batch {about.get('batch_size', '-')}, data seed {about.get('data_seed', '-')}"
        names = about.get("label", "-"), about.get("teacher", "-"), about.get("title", "-")
        rows.append([*names, batches, about.get("precision", "-"), one.epochs, round(one.bytes / 1e6, 1), used])
    return Listing.of(
        ["teacher", "digest", "data", "batches", "precision", "epochs", "MB", "last used"],
        rows,
        ["batches", "precision", "data"],
    )
