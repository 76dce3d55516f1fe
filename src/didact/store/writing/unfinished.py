"""The files of an unfinished run: its checkpoints, the metrics so far, the networks of its route.

The checkpoint decides. The files beside it are compared with it whenever the run continues, and
before it becomes a Record.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from didact.data import rand_augment
from didact.deploy.engine import runtime
from didact.engine.environment import continued, environment
from didact.engine.learner import Learner
from didact.files.checked import (
    DamagedError,
    append_row,
    clear_temporary,
    file_checksum,
    json_text,
    read_json,
    read_rows,
    write,
    write_json,
)
from didact.files.tensors import write_tensors
from didact.runs.foreign import sources
from didact.runs.run import Run
from didact.spec import RequestError, canonical
from didact.store.entries import CHECKPOINT, FAILED, PREVIOUS, TRAINING
from didact.store.record import Record, anchor_path
from didact.store.store import Store
from didact.store.writing.checkpoint import Beside, Checkpoint, values
from didact.store.writing.run_folder import RunFolder, bytes_of, exists

OTHERS = ("weights.safetensors", FAILED)
"""Files of a run that stopped, or that was killed while it was finished."""


class Unfinished:
    """The folder of ``run`` during its training. Writing requires the run's lock.

    Args:
        store: the store.
        run: the run.
        images: the training images as plain JSON data; needed for training, not for reading.
        circumstances: what environment.json says beside :func:`~didact.engine.environment.environment`.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        images: dict[str, Any] | None = None,
        circumstances: dict[str, Any] | None = None,
    ) -> None:
        self.run = run
        self.folder = store.folder(run)
        self.say = store.say
        self.run_folder = RunFolder(self.folder, store.say)
        self._images = canonical(images or {}).encode()
        self._circumstances = circumstances or {}
        self._beside = Beside(hashlib.sha256(self._images).hexdigest(), {})

    # --------------------------------------------------------------------------------------------
    # beginning, going on

    def open(self, learner: Learner, device: str, epoch: int | None = None) -> None:
        """Restore the learner from a checkpoint, or write the first checkpoint.

        Args:
            learner: the learner.
            device: torch device of the training.
            epoch: an epoch of :meth:`kept` to which the run's group returns, or 0 for the
                beginning; default: the last one.
        """
        states, faults = self._states(learner)
        state = states.get(max(states, default=0) if epoch is None else epoch)
        if state is None:
            self._leave(states, faults)
            self._begin(learner, device)
            return
        for name, fault in faults.items():
            self.run_folder.move(name, fault)
        clear_temporary(self.folder)
        self._beside = state.beside
        learner.restore(state.tensors, state.values)
        self.say(f"going on with {self.run.label} after epoch {learner.total} of {learner.epochs}")
        self._mend()
        (self.folder / FAILED).unlink(missing_ok=True)  # it fails again, or it goes on
        state.path.replace(self.folder / CHECKPOINT)
        if not learner.done:
            self._continue(learner)

    def _continue(self, learner: Learner) -> None:
        """Record a change in the number of threads or processes since the run began."""
        now = continued(self._beside.environment, learner.total)
        if now != self._beside.environment:
            for what in ("threads", "processes"):
                changes = now.get(f"{what}_later", [])
                if changes != self._beside.environment.get(f"{what}_later", []):
                    self.say(
                        f"{self.run.label} now has another number of {what} ({changes[-1][what]}) than before: its weights can "
                        "differ in the last bits from those of one training; its environment.json says so"
                    )
            self._beside = replace(self._beside, environment=now)
            self._write_checkpoint(learner)
            write(self.folder / "environment.json", json_text(now))

    def check_device(self, device: str) -> None:
        """Check the kind of device: random streams of one kind cannot continue on another.

        Raises:
            RequestError: another kind. The message names both devices and says what to do.
        """
        try:
            begun = str(read_json(self.folder / "environment.json")["device"])
        except (DamagedError, KeyError, TypeError):
            return  # not begun; or damaged, which the check of the checkpoint finds later
        unfinished = any(exists(self.folder / name) for name in (CHECKPOINT, PREVIOUS))
        if unfinished and begun.partition(":")[0] != device.partition(":")[0]:
            raise RequestError(
                f"{self.run.label} ({self.run.digest}) was begun on {begun}, and a half-trained run cannot go on on {device}; "
                f"ask again with --device {begun}, or move {self.folder} away: the run then begins anew"
            )

    def kept(self, learner: Learner | None = None) -> dict[int, Checkpoint]:
        """The states by epoch from which the run (and ``learner``, if given) can continue.

        A run with peers also has the state before the last.
        """
        return self._states(learner)[0]

    def _states(self, learner: Learner | None) -> tuple[dict[int, Checkpoint], dict[str, DamagedError]]:
        """The valid states by epoch, and the faults of the other checkpoints by name."""
        states, faults = {}, {}
        for name in (PREVIOUS, CHECKPOINT) if self.run.peers else (CHECKPOINT,):
            try:
                state = Checkpoint.read(self.folder / name, self.run)
                if learner is not None:
                    state.check(learner, self._beside.images)
                states[state.values["total"]] = state
            except DamagedError as error:
                if exists(self.folder / name):
                    faults[name] = error
        if not states and not faults and self._has_begun():
            sealed = exists(self.folder / "weights.safetensors")  # the checkpoint goes when record.json is there
            faults[CHECKPOINT] = DamagedError(f"{self.folder / ('record.json' if sealed else CHECKPOINT)} is missing")
        return states, faults

    def _has_begun(self) -> bool:
        """Whether the folder holds more than a kill before the first checkpoint can leave."""
        others = any(exists(self.folder / name) for name in ("route", *OTHERS))
        metrics = self.folder / "metrics.jsonl"
        return others or (exists(metrics) and bytes_of(metrics) != b"")

    def _leave(self, states: dict[int, Checkpoint], faults: dict[str, DamagedError]) -> None:
        """Move the folder aside, so that the run can begin anew."""
        if faults:
            self.run_folder.put_aside(next(iter(faults.values())))
        elif states:
            self.run_folder.set_aside(f"{self.run.label} begins anew, as a peer of it does")

    def _begin(self, learner: Learner, device: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_temporary(self.folder)
        self._beside = replace(self._beside, environment=environment(device) | self._circumstances | _source(self.run))
        self._mend(begun=False)
        self._write_checkpoint(learner)

    def _mend(self, begun: bool = True) -> None:
        """Rewrite files that differ from what the checkpoint says; report it if the run has begun.

        A kill can leave a last row without a checkpoint and a network of its epoch; these are
        dropped silently.
        """
        contents = self._contents()
        moved = self.run_folder.clear_names([*contents, PREVIOUS, *OTHERS])
        for name, content in contents.items():
            path = self.folder / name
            there = bytes_of(path)
            if there == content:
                continue
            torn = name == "metrics.jsonl" and there is not None and there.startswith(content)
            if begun and not torn and name not in moved:
                self.say(f"damaged: {path} is not what was written; it is written again from the checkpoint")
            write(path, content)
        known = {name for name, _ in self._beside.anchors}
        for path in self.run_folder.anchors():
            name = path.relative_to(self.folder).as_posix()
            if name not in known and begun and _epoch(path) <= len(self._beside.rows):
                self.run_folder.move(name, DamagedError(f"{path} was not kept by this run"))
            elif name not in known:
                path.unlink()

    def _contents(self) -> dict[str, bytes]:
        """The content of the files beside a checkpoint, without the route's networks."""
        return {
            "spec.json": canonical(self.run).encode(),
            "environment.json": json_text(self._beside.environment),
            "images.json": self._images,
            "metrics.jsonl": self._beside.metrics,
        }

    # --------------------------------------------------------------------------------------------
    # while it is trained

    def keep(self, learner: Learner, row: dict[str, Any]) -> None:
        """Write an epoch: its metrics, then the state from which the next one begins.

        A run with peers also keeps the previous state: after a kill, its group returns to an epoch
        that all networks have.
        """
        append_row(self.folder / "metrics.jsonl", row)
        self._beside = replace(self._beside, rows=(*self._beside.rows, row))
        if self.run.peers:
            (self.folder / CHECKPOINT).replace(self.folder / PREVIOUS)
        self._write_checkpoint(learner)

    def _write_checkpoint(self, learner: Learner) -> None:
        tensors, plain = learner.state()
        write_tensors(self.folder / CHECKPOINT, tensors, values(plain, self.run, self._beside))

    def keep_anchor(self, learner: Learner) -> None:
        """Write the network after this epoch, for students that follow the route. Call it before
        :meth:`keep`."""
        path = anchor_path(self.folder, learner.total)
        path.parent.mkdir(exist_ok=True)
        net = {k: v for k, v in learner.weights().items() if k.startswith("net.")}
        write_tensors(path, net, {"epoch": learner.total})
        checksum = file_checksum(path)
        assert checksum is not None
        name = path.relative_to(self.folder).as_posix()
        self._beside = replace(self._beside, anchors=(*self._beside.anchors, (name, checksum)))

    def anchors(self) -> frozenset[int]:
        """The epochs after which the run's network was written, without the last."""
        return frozenset(_epoch(path) for path in self.run_folder.anchors())

    def rows(self) -> list[dict[str, Any]]:
        """The metrics of the run so far, one row for each epoch."""
        return read_rows(self.folder / "metrics.jsonl")

    def fail(self, reason: str) -> None:
        """Write the reason why the run stopped."""
        write_json(self.folder / FAILED, {"reason": reason, "kept": CHECKPOINT, "run": self.run.digest})

    # --------------------------------------------------------------------------------------------
    # its end

    def finish(self, learner: Learner, samples: int) -> Record:
        """Make a Record of a learner that is done. ``samples``: number of training images."""
        self._mend()
        clear_temporary(self.folder)
        write_tensors(self.folder / "weights.safetensors", learner.weights(), {"samples": samples})
        record = Record.seal(self.folder)
        self.sweep()
        return record

    def sweep(self) -> None:
        """Remove the files that only training needs. Only for a run that is a Record."""
        for name in TRAINING:
            (self.folder / name).unlink(missing_ok=True)


def _source(run: Run) -> dict[str, Any]:
    """Entries of environment.json for the user's own code, the teacher's inference engine and the
    library that changes images, if any."""
    code = sources(run)
    changes = {} if run.data.randaugment is None else {rand_augment.LIBRARY: installed(rand_augment.LIBRARY)}
    return ({"source": code} if code else {}) | ({"onnxruntime": runtime()} if run.engine else {}) | changes


def _epoch(path: Path) -> int:
    return int(path.stem)
