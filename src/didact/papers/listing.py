"""What studies there are, and what each needs at the paper's size."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from didact.data import training_images
from didact.papers.about import About
from didact.runs.run import Run, everything
from didact.spec import catalogue
from didact.tables.listing import Listing
from didact.tables.table import Cell

COLUMNS = ("study", "what it compares", "data", "networks", "runs", "epochs", "images shown (millions)", "source")
NOTE = """\
Runs, epochs and images are those at --scale paper: runs with their teachers, each once; the epochs
of all of them; the training images that they are shown. 'didact study NAME --scale paper --plan'
tells operations, time and memory of what is missing."""


def studies() -> Listing:
    """A row for every table and figure of every study."""
    rows: list[list[Cell]] = [_row(name, about, make) for name, about, make in known()]
    listing = Listing.of(COLUMNS, rows, ["source", "images shown (millions)", "networks", "data", "epochs"])
    return Listing(replace(listing.table, note=NOTE), listing.plain)


def known() -> Iterator[tuple[str, About, Any]]:
    """Name, description and maker of each."""
    for name, module in catalogue("didact.papers").items():
        held = importlib.import_module(module)
        about = getattr(held, "ABOUT", None)
        if about is None:
            yield name, held.study.about, held.study
        else:
            for table, one in about.items():
                yield (
                    f"{name}-{table}",
                    one,
                    lambda given, device, table=table, held=held: held.study({**given, "table": table}, device),
                )


def _row(name: str, about: About, make: Any) -> list[Cell]:
    precision = {"precision": "fp32"} if about.trains else {}  # the same on every machine
    study = make({"scale": "paper", **precision, **about.settings}, "cpu")
    runs: list[Run] = everything(list(study.runs))
    epochs = sum(run.epochs for run in runs)
    shown = sum(run.epochs * (about.images or training_images(run.data)) for run in runs)
    return [name, about.what, about.data, about.networks, len(runs), epochs, round(shown / 1e6), about.source]
