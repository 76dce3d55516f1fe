"""The store: a folder of Records, addressed by what their runs are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import nn

from didact.engine.records import DamagedError, Record, anchor_path, read_json, read_tensors
from didact.nets.blocks import BlockNet
from didact.spec import canonical, from_json
from didact.studies.run import Run, extras, network, pair, placeholders

Say = Callable[[str], None]


class Store:
    """Records in a folder; ``say`` is told what a person should know (a damaged Record, a wait for another process)."""

    def __init__(self, root: Path | str, say: Say = lambda message: None) -> None:
        self.root = Path(root)
        self.say = say

    def folder(self, run: Run) -> Path:
        return self.root / "runs" / f"{run.label}.{run.digest}"

    def get(self, run: Run) -> Record | None:
        """The run's Record, checked against its checksums; None when there is none, or a damaged one. Damage is said."""
        try:
            return self.record(run)
        except DamagedError as error:
            self.say(f"damaged: {error}; asked for again, the run is trained again")
            return None

    def record(self, run: Run) -> Record | None:
        """The run's Record, checked against its checksums; None when there is none.

        Raises:
            DamagedError: a file of the Record is not what was written.
        """
        folder = self.folder(run)
        record = Record.open(folder)
        if record is not None and canonical(record.spec()) != canonical(run):
            raise DamagedError(f"{folder / 'spec.json'} describes another run")
        return record

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

    def anchor(self, run: Run, epoch: int) -> BlockNet:
        """The run's network as it was after ``epoch``, on the CPU in eval mode.

        Raises:
            DamagedError: it was not kept, or is not what was written.
        """
        if epoch == run.epochs:
            return self.load(run)[0]
        tensors, _ = read_tensors(anchor_path(self.folder(run), epoch))
        net = network(run)
        net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items()})
        return net.eval()

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
