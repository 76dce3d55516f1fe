"""The store: a folder of Records, addressed by what their runs are."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor, nn

from didact.engine.learner import Learner
from didact.engine.records import (
    DamagedError,
    Record,
    append_row,
    environment,
    read_json,
    read_rows,
    read_tensors,
    write,
    write_json,
    write_tensors,
)
from didact.nets.blocks import BlockNet
from didact.spec import canonical, from_json
from didact.studies.run import Run, extras, network, pair, placeholders

Say = Callable[[str], None]
CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "previous.safetensors"


class FailedError(RuntimeError):
    """A run stopped because its loss was not finite; its last good state is kept."""


class Store:
    """Records in a folder; ``say`` is told what a person should know (a damaged Record, a wait for another process)."""

    def __init__(self, root: Path | str, say: Say = lambda message: None) -> None:
        self.root = Path(root)
        self.say = say

    def folder(self, run: Run) -> Path:
        return self.root / "runs" / f"{run.label}.{run.digest}"

    def get(self, run: Run, *, repair: bool = False) -> Record | None:
        """The run's Record, checked against its checksums; None when there is none, or a damaged one.

        Damage is said; with ``repair`` the damaged Record is put aside, so that the run can be trained again.
        """
        folder = self.folder(run)
        try:
            record = Record.open(folder)
            if record is not None and canonical(record.spec()) != canonical(run):
                raise DamagedError(f"{folder / 'spec.json'} describes another run")
        except DamagedError as error:
            if repair:
                self._put_aside(folder, error)
            else:
                self.say(f"damaged: {error}; asked for again, the run is trained again")
            return None
        return record

    def set_aside(self, run: Run, why: str) -> None:
        """Move what was kept of a run out of the way; ``why`` is said."""
        folder = self.folder(run)
        aside = folder.with_name(f"{folder.name}.aside-{time.time_ns()}")
        folder.rename(aside)
        self.say(f"{why}; moved {folder.name} to {aside.name}")

    def _put_aside(self, folder: Path, error: DamagedError) -> None:
        aside = folder.with_name(f"{folder.name}.damaged-{time.time_ns()}")
        folder.rename(aside)
        self.say(f"damaged: {error}; moved to {aside.name}, the run is trained again")

    def failure(self, run: Run) -> str | None:
        """Why the run stopped, if it did."""
        path = self.folder(run) / "failed.json"
        return read_json(path)["reason"] if path.exists() else None

    def runs(self) -> Iterator[tuple[Run, Record]]:
        """Every finished run in the store that this version of didact can read."""
        for folder in sorted(self.root.glob("runs/*")):
            if folder.name.count(".damaged-") + folder.name.count(".aside-") or not (folder / "record.json").exists():
                continue
            try:
                run = from_json(Run, read_json(folder / "spec.json"))
            except (DamagedError, ValueError) as error:
                self.say(f"skipped {folder.name}: {error}")
                continue
            if self.folder(run) != folder:
                self.say(f"skipped {folder.name}: written by another version of didact, to which it was another run")
                continue
            record = self.get(run)
            if record is not None:
                yield run, record

    @contextlib.contextmanager
    def locked(self, runs: Sequence[Run]) -> Iterator[None]:
        """Hold these runs against other processes. The locks are let go by the system when this process dies.

        Always taken in the order of the digests, so that two processes never wait for each other.
        """
        with contextlib.ExitStack() as held:
            for run in sorted(runs, key=lambda r: r.digest):
                path = self.root / "locks" / f"{run.digest}.lock"
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = FileLock(path)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    self.say(f"another process is training {run.label} ({run.digest}); waiting for it")
                    lock.acquire()
                held.callback(lock.release)
            yield

    # ---------------------------------------------------------------------------------------- while a run trains

    def open(self, run: Run, learner: Learner, device: str, images: dict[str, Any], epoch: int | None = None) -> None:
        """Put the learner where the run was last kept, or keep its beginning.

        Args:
            images: which ones it is trained on.
            epoch: the one of :meth:`kept` to go back to, for a run whose group goes back to it; else it begins anew.
        """
        folder = self.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / CHECKPOINT
        found = checkpoint if epoch is None else self.kept(run).get(epoch)
        if found is not None and found.exists():
            try:
                tensors, values, rows = _checkpoint(found)
                learner.restore(tensors, values)
                self.say(f"going on with {run.label} after epoch {learner.total} of {learner.epochs}")
                write(folder / "metrics.jsonl", b"".join(f"{canonical(row)}\n".encode() for row in rows))
                found.replace(checkpoint)
                return
            except DamagedError as error:
                self._put_aside(folder, error)
                folder.mkdir()
        (folder / PREVIOUS).unlink(missing_ok=True)
        write(folder / "spec.json", canonical(run).encode())
        write_json(folder / "environment.json", environment(device))
        write(folder / "images.json", canonical(images).encode())
        write(folder / "metrics.jsonl", b"")
        write_tensors(checkpoint, *learner.state())

    def kept(self, run: Run) -> dict[int, Path]:
        """The checkpoints of an unfinished run that are whole, by epoch. A run with peers has the one before the last, too."""
        found = {}
        for name in (PREVIOUS, CHECKPOINT):
            with contextlib.suppress(DamagedError):
                _, values, _ = _checkpoint(self.folder(run) / name)
                found[values["total"]] = self.folder(run) / name
        return found

    def keep(self, run: Run, learner: Learner, row: dict[str, Any]) -> None:
        """Keep an epoch: its metrics, then the state from which the next one begins.

        A run with peers keeps the state before that as well: killed between them, a group goes back to where all have been.
        """
        folder = self.folder(run)
        append_row(folder / "metrics.jsonl", row)
        if run.peers:
            (folder / CHECKPOINT).replace(folder / PREVIOUS)
        write_tensors(folder / CHECKPOINT, *learner.state())

    def keep_anchor(self, run: Run, learner: Learner) -> None:
        """Keep the network as it is after this epoch, for students who follow the route. Before the epoch itself is kept."""
        path = self._anchor(run, learner.total)
        path.parent.mkdir(exist_ok=True)
        write_tensors(path, {f"net.{k}": v for k, v in learner.net.state_dict().items()}, {"epoch": learner.total})

    def anchors(self, run: Run) -> frozenset[int]:
        """The epochs after which the run's network was kept, but its end."""
        return frozenset(int(path.stem) for path in self.folder(run).glob("route/*.safetensors"))

    def anchor(self, run: Run, epoch: int) -> BlockNet:
        """The run's network as it was after ``epoch``, on the CPU in eval mode.

        Raises:
            DamagedError: it was not kept, or is not what was written.
        """
        if epoch == run.epochs:
            return self.load(run)[0]
        tensors, _ = read_tensors(self._anchor(run, epoch))
        net = network(run)
        net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items()})
        return net.eval()

    def _anchor(self, run: Run, epoch: int) -> Path:
        return self.folder(run) / "route" / f"{epoch:04d}.safetensors"

    def rows(self, run: Run) -> list[dict[str, Any]]:
        """The metrics of a run so far, one row an epoch."""
        return read_rows(self.folder(run) / "metrics.jsonl")

    def finish(self, run: Run, learner: Learner, samples: int) -> Record:
        """Turn the kept state of a learner that is done into a Record. ``samples``: size of the training set."""
        folder = self.folder(run)
        tensors, _ = learner.state()
        weights = {k: v for k, v in tensors.items() if k.startswith(("net.", "extras."))}
        write_tensors(folder / "weights.safetensors", weights, {"samples": samples})
        record = Record.seal(folder)
        (folder / CHECKPOINT).unlink()
        (folder / PREVIOUS).unlink(missing_ok=True)
        (folder / "failed.json").unlink(missing_ok=True)
        return record

    def fail(self, run: Run, reason: str) -> None:
        write_json(self.folder(run) / "failed.json", {"reason": reason, "kept": CHECKPOINT})

    # ---------------------------------------------------------------------------------------- networks from Records

    def load(self, run: Run) -> tuple[BlockNet, nn.Module]:
        """The trained network and its extras, on the CPU in eval mode.

        Raises:
            LookupError: the run has no Record.
        """
        record = self.get(run)
        if record is None:
            raise LookupError(f"{run.label} ({run.digest}) has not been trained; its folder would be {self.folder(run)}")
        tensors, values = record.weights()
        net = network(run)
        teacher = network(run.teacher) if run.teacher else None
        added = extras(run, pair(run, net, teacher, placeholders(run, values["samples"])))
        net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
        added.load_state_dict({k.removeprefix("extras."): v for k, v in tensors.items() if k.startswith("extras.")})
        return net.eval(), added.eval()

    def deployed(self, run: Run) -> nn.Module:
        """The network to evaluate, export and hand on."""
        net, added = self.load(run)
        return run.method.deployed(added, net).eval()


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
