"""What a run that is not finished has on disk: its checkpoints, the metrics so far, the anchors of its route."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from torch import Tensor

from didact.engine.learner import Learner
from didact.engine.records import (
    DamagedError,
    Record,
    anchor_path,
    append_row,
    environment,
    read_rows,
    read_tensors,
    write,
    write_json,
    write_tensors,
)
from didact.spec import canonical
from didact.studies.run import Run
from didact.studies.store import Store

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "previous.safetensors"


class Unfinished:
    """The folder of ``run`` while it is trained. Whoever writes there holds the run's lock."""

    def __init__(self, store: Store, run: Run) -> None:
        self.run = run
        self.folder = store.folder(run)
        self.say = store.say

    def open(self, learner: Learner, device: str, images: dict[str, Any], epoch: int | None = None) -> None:
        """Put the learner where the run was last kept, or keep its beginning.

        Args:
            images: which ones it is trained on.
            epoch: the one of :meth:`kept` to go back to, for a run whose group goes back to it; else it begins anew.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint = self.folder / CHECKPOINT
        found = checkpoint if epoch is None else self.kept().get(epoch)
        if found is not None and found.exists():
            try:
                tensors, values, rows = _checkpoint(found)
                learner.restore(tensors, values)
                self.say(f"going on with {self.run.label} after epoch {learner.total} of {learner.epochs}")
                write(self.folder / "metrics.jsonl", b"".join(f"{canonical(row)}\n".encode() for row in rows))
                found.replace(checkpoint)
                return
            except DamagedError as error:
                self.put_aside(error)
                self.folder.mkdir()
        (self.folder / PREVIOUS).unlink(missing_ok=True)
        write(self.folder / "spec.json", canonical(self.run).encode())
        write_json(self.folder / "environment.json", environment(device))
        write(self.folder / "images.json", canonical(images).encode())
        write(self.folder / "metrics.jsonl", b"")
        write_tensors(checkpoint, *learner.state())

    def kept(self) -> dict[int, Path]:
        """The checkpoints that are whole, by epoch. A run with peers has the one before the last, too."""
        found = {}
        for name in (PREVIOUS, CHECKPOINT):
            with contextlib.suppress(DamagedError):
                _, values, _ = _checkpoint(self.folder / name)
                found[values["total"]] = self.folder / name
        return found

    def keep(self, learner: Learner, row: dict[str, Any]) -> None:
        """Keep an epoch: its metrics, then the state from which the next one begins.

        A run with peers keeps the state before that as well: killed between them, a group goes back to where all have been.
        """
        append_row(self.folder / "metrics.jsonl", row)
        if self.run.peers:
            (self.folder / CHECKPOINT).replace(self.folder / PREVIOUS)
        write_tensors(self.folder / CHECKPOINT, *learner.state())

    def keep_anchor(self, learner: Learner) -> None:
        """Keep the network as it is after this epoch, for students who follow the route. Before the epoch itself is kept."""
        path = anchor_path(self.folder, learner.total)
        path.parent.mkdir(exist_ok=True)
        write_tensors(path, {f"net.{k}": v for k, v in learner.net.state_dict().items()}, {"epoch": learner.total})

    def anchors(self) -> frozenset[int]:
        """The epochs after which the run's network was kept, but its end."""
        return frozenset(int(path.stem) for path in self.folder.glob("route/*.safetensors"))

    def rows(self) -> list[dict[str, Any]]:
        """The metrics of the run so far, one row an epoch."""
        return read_rows(self.folder / "metrics.jsonl")

    def finish(self, learner: Learner, samples: int) -> Record:
        """Turn the kept state of a learner that is done into a Record. ``samples``: size of the training set."""
        tensors, _ = learner.state()
        weights = {k: v for k, v in tensors.items() if k.startswith(("net.", "extras."))}
        write_tensors(self.folder / "weights.safetensors", weights, {"samples": samples})
        record = Record.seal(self.folder)
        (self.folder / CHECKPOINT).unlink()
        (self.folder / PREVIOUS).unlink(missing_ok=True)
        (self.folder / "failed.json").unlink(missing_ok=True)
        return record

    def fail(self, reason: str) -> None:
        """Keep why the run stopped."""
        write_json(self.folder / "failed.json", {"reason": reason, "kept": CHECKPOINT})

    def set_aside(self, why: str) -> None:
        """Move what was kept out of the way; ``why`` is said."""
        aside = self.folder.with_name(f"{self.folder.name}.aside-{time.time_ns()}")
        self.folder.rename(aside)
        self.say(f"{why}; moved {self.folder.name} to {aside.name}")

    def put_aside(self, error: DamagedError) -> None:
        """Move a damaged folder out of the way, so that the run can be trained again."""
        aside = self.folder.with_name(f"{self.folder.name}.damaged-{time.time_ns()}")
        self.folder.rename(aside)
        self.say(f"damaged: {error}; moved to {aside.name}, the run is trained again")


def _checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[dict[str, Any]]]:
    """The state kept at ``path``, and the metrics of the epochs before it.

    Raises:
        DamagedError: the file is missing or damaged, or the metrics are.
    """
    tensors, values = read_tensors(path)
    rows = read_rows(path.with_name("metrics.jsonl"), values["total"])
    if len(rows) != values["total"]:
        raise DamagedError(f"{path.with_name('metrics.jsonl')} holds {len(rows)} of {values['total']} epochs")
    return tensors, values, rows
