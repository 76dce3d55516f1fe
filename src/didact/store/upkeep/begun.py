"""Runs whose training has begun and not ended: how far each is, since when nothing was written, whether a process is at
work on it, why it failed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.files.checked import DamagedError, read_rows
from didact.spec import from_json
from didact.store.entries import code_names, failed
from didact.store.store import Store, begins
from didact.store.upkeep.locks import in_use
from didact.store.upkeep.removal import as_listed, members, spec_of

if TYPE_CHECKING:
    from didact.runs.run import Run


@dataclass(frozen=True)
class Begun:
    """A run that is not finished.

    Attributes:
        run: None where its spec.json names code that is not trusted, or cannot be read.
        epoch: how many epochs are behind it.
        epochs: how many there will be; None where its spec.json cannot be read.
        changed: when a file of it was last written, in seconds since 1970.
        at_work: whether a process is at work on it; None where that cannot be found out, as in a
            store that cannot be written.
        failure: why it failed; None if it did not.
    """

    folder: Path
    digest: str
    label: str
    run: Run | None
    epoch: int
    epochs: int | None
    changed: float
    at_work: bool | None
    failure: str | None

    @property
    def state(self) -> str:
        """In a word or two: "in training", "failed", "stopped", or "unknown"."""
        if self.at_work:
            return "in training"
        return "failed" if self.failure is not None else "stopped" if self.at_work is False else "unknown"


def begun(store: Store, prefix: str = "") -> Iterator[Begun]:
    """The unfinished runs of a store, in the order of its folders.

    Args:
        store: the store.
        prefix: only folders with a name, label or digest that begins with it.
    """
    for one in members(store):
        if one.state == "unfinished" and begins(one.folder, prefix):
            at_work = in_use(store.root, one.group[0])
            if not at_work and not as_listed(one):  # it has ended since it was listed
                continue
            spec = spec_of(one.folder)
            run = _run(store, spec)
            yield Begun(
                folder=one.folder,
                digest=one.digest,
                label=one.label,
                run=run,
                epoch=_epoch(one.folder),
                epochs=_epochs(spec) if run is None else run.epochs,
                changed=touched(one.folder),
                at_work=at_work,
                failure=failed(one.folder, one.digest),
            )


def _run(store: Store, spec: Mapping[str, Any]) -> Run | None:
    from didact.runs.run import Run

    try:
        return from_json(Run, spec) if spec and store.trusts(code_names(spec)) else None
    except ValueError:
        return None


def _epoch(folder: Path) -> int:
    try:
        return len(read_rows(folder / "metrics.jsonl"))
    except DamagedError:
        return 0


def _epochs(spec: Mapping[str, Any]) -> int | None:
    """Of the recipe, without stages of the method."""
    recipe = spec.get("recipe")
    epochs = recipe.get("epochs") if isinstance(recipe, Mapping) else None
    return epochs if isinstance(epochs, int) else None


def touched(folder: Path) -> float:
    """When a file of the folder was last written, in seconds since 1970."""
    times = [0.0]
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                times.append(os.lstat(os.path.join(parent, name)).st_mtime)
    return max(times)
