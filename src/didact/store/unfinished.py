"""What a run that is not finished has on disk: its checkpoints, the metrics so far, the anchors of its route.

The checkpoint is what counts. What lies beside it is compared with it whenever the run goes on, and before it becomes a Record.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    write_tensors,
)
from didact.runs.foreign import sources
from didact.runs.run import Run
from didact.spec import RequestError, canonical
from didact.store.checkpoint import Beside, Checkpoint, values
from didact.store.record import Record, anchor_path
from didact.store.run_folder import RunFolder, bytes_of, exists
from didact.store.store import Store

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "previous.safetensors"
OTHERS = ("weights.safetensors", "failed.json")
"""What a run may have that was finished, or stopped, but for its end."""


class Unfinished:
    """The folder of ``run`` while it is trained. Whoever writes there holds the run's lock.

    Args:
        images: which ones it is trained on, as plain JSON data; needed to train, not to look.
    """

    def __init__(self, store: Store, run: Run, images: dict[str, Any] | None = None) -> None:
        self.run = run
        self.folder = store.folder(run)
        self.say = store.say
        self.run_folder = RunFolder(self.folder, store.say)
        self._images = canonical(images or {}).encode()
        self._beside = Beside(hashlib.sha256(self._images).hexdigest(), {})

    # -------------------------------------------------------------------------------------------- beginning, going on

    def open(self, learner: Learner, device: str, epoch: int | None = None) -> None:
        """Put the learner where the run was last kept, or keep its beginning.

        Args:
            epoch: the one of :meth:`kept` to go back to, for a run whose group goes back to it, and 0 for its beginning; else
                it is the last one.
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
        state.path.replace(self.folder / CHECKPOINT)
        if not learner.done:
            self._continue(learner)

    def _continue(self, learner: Learner) -> None:
        """Keep it if the run goes on with another number of threads than before."""
        now = continued(self._beside.environment, learner.total)
        if now != self._beside.environment:
            threads = now["threads_later"][-1]["threads"]
            self.say(
                f"{self.run.label} now has another number of threads ({threads}) than before: its weights can differ in the last "
                "bits from those of one training; its environment.json says so"
            )
            self._beside = replace(self._beside, environment=now)
            self._write_checkpoint(learner)
            write(self.folder / "environment.json", json_text(now))

    def check_device(self, device: str) -> None:
        """Refuse to go on on another kind of device: its random numbers are others, and cannot go on from those of the first.

        Raises:
            RequestError: the message names both devices and says what to do.
        """
        try:
            begun = str(read_json(self.folder / "environment.json")["device"])
        except (DamagedError, KeyError, TypeError):
            return  # not begun; or damaged, and the checkpoint is compared with the learner when the run goes on
        unfinished = any(exists(self.folder / name) for name in (CHECKPOINT, PREVIOUS))
        if unfinished and begun.partition(":")[0] != device.partition(":")[0]:
            raise RequestError(
                f"{self.run.label} ({self.run.digest}) was begun on {begun}, and a half-trained run cannot go on on {device}; "
                f"ask again with --device {begun}, or move {self.folder} away: the run then begins anew"
            )

    def kept(self, learner: Learner | None = None) -> dict[int, Checkpoint]:
        """The states from which the run, and ``learner`` where given, can go on, by epoch.

        A run with peers has the one before the last, too.
        """
        return self._states(learner)[0]

    def _states(self, learner: Learner | None) -> tuple[dict[int, Checkpoint], dict[str, DamagedError]]:
        """The states by epoch, and what is wrong with the other checkpoints by name."""
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
        """Whether there is more than a kill leaves that comes before the first checkpoint is kept."""
        others = any(exists(self.folder / name) for name in ("route", *OTHERS))
        metrics = self.folder / "metrics.jsonl"
        return others or (exists(metrics) and bytes_of(metrics) != b"")

    def _leave(self, states: dict[int, Checkpoint], faults: dict[str, DamagedError]) -> None:
        """Make room for a run that begins anew."""
        if faults:
            self.run_folder.put_aside(next(iter(faults.values())))
        elif states:
            self.run_folder.set_aside(f"{self.run.label} begins anew, as a peer of it does")

    def _begin(self, learner: Learner, device: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        clear_temporary(self.folder)
        self._beside = replace(self._beside, environment=environment(device) | _own(self.run))
        self._mend(begun=False)
        self._write_checkpoint(learner)

    def _mend(self, begun: bool = True) -> None:
        """Write what lies beside the checkpoint and is not what the checkpoint says; once the run has begun, say so.

        A last row that has no checkpoint yet, and an anchor of its epoch, are left by a kill, and dropped without a word.
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
        """What the files beside a checkpoint hold, but for the anchors."""
        return {
            "spec.json": canonical(self.run).encode(),
            "environment.json": json_text(self._beside.environment),
            "images.json": self._images,
            "metrics.jsonl": self._beside.metrics,
        }

    # -------------------------------------------------------------------------------------------- while it is trained

    def keep(self, learner: Learner, row: dict[str, Any]) -> None:
        """Keep an epoch: its metrics, then the state from which the next one begins.

        A run with peers keeps the state before that as well: killed between them, a group goes back to where all have been.
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
        """Keep the network as it is after this epoch, for students who follow the route. Before the epoch itself is kept."""
        path = anchor_path(self.folder, learner.total)
        path.parent.mkdir(exist_ok=True)
        net = {k: v for k, v in learner.weights().items() if k.startswith("net.")}
        write_tensors(path, net, {"epoch": learner.total})
        checksum = file_checksum(path)
        assert checksum is not None
        name = path.relative_to(self.folder).as_posix()
        self._beside = replace(self._beside, anchors=(*self._beside.anchors, (name, checksum)))

    def anchors(self) -> frozenset[int]:
        """The epochs after which the run's network was kept, but its end."""
        return frozenset(_epoch(path) for path in self.run_folder.anchors())

    def rows(self) -> list[dict[str, Any]]:
        """The metrics of the run so far, one row an epoch."""
        return read_rows(self.folder / "metrics.jsonl")

    def fail(self, reason: str) -> None:
        """Keep why the run stopped."""
        write_json(self.folder / "failed.json", {"reason": reason, "kept": CHECKPOINT, "run": self.run.digest})

    # -------------------------------------------------------------------------------------------- its end

    def finish(self, learner: Learner, samples: int) -> Record:
        """Turn the kept state of a learner that is done into a Record. ``samples``: size of the training set."""
        self._mend()
        clear_temporary(self.folder)
        write_tensors(self.folder / "weights.safetensors", learner.weights(), {"samples": samples})
        record = Record.seal(self.folder)
        self.sweep()
        return record

    def sweep(self) -> None:
        """Remove what only served the training. For a run that is a Record."""
        for name in (CHECKPOINT, PREVIOUS, "failed.json"):
            (self.folder / name).unlink(missing_ok=True)


def _own(run: Run) -> dict[str, Any]:
    """What environment.json holds of the user's own code and of the engine that computes the teacher, where there are any."""
    own = sources(run)
    return ({"source": own} if own else {}) | ({"onnxruntime": runtime()} if run.engine else {})


def _epoch(path: Path) -> int:
    return int(path.stem)
