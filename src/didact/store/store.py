"""The store: a folder of Records, addressed by the digests of their runs.

To list Records needs no torch, so what builds Runs and networks is imported where that is done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from didact import nets
from didact.files.checked import DamagedError
from didact.spec import RequestError, canonical, check_kind, clean, clean_lines, from_json
from didact.store.entries import Entry, Finished, Listed, Lost, code_names, damaged, failed, listed, unsealed, untrusted
from didact.store.record import Record, anchor_path

if TYPE_CHECKING:
    from torch import nn

    from didact.nets.blocks import BlockNet
    from didact.runs.run import Run

Say = Callable[[str], None]

LONGEST = 80
"""Largest length of a network's or method's name in a folder's name, which has room for 255
characters."""


class Store:
    """Records in a folder.

    A Record can name a user's code as ``module:Name``. That code is imported only if the store is
    trusted or the user has given the name: in ``named``, or in the runs of a request
    (:func:`didact.execution.execute`).

    Attributes:
        noted: names of changed user code that have been reported; each is reported once.
        computes: whether similarity to teachers and probes are computed where they are not stored,
            which needs the images.
    """

    def __init__(
        self,
        root: Path | str,
        say: Say = lambda message: None,
        *,
        trust: bool = False,
        named: Iterable[str] = (),
        noted: Iterable[str] = (),
    ) -> None:
        """
        Args:
            root: the folder.
            say: receives messages for the user (a damaged Record, a wait for another process).
            trust: whether to import and call any code that Records name.
            named: names of code that the user has given.
            noted: names of changed code that have been reported before.

        Raises:
            RequestError: ``root`` is empty, or not a folder, or no name.
        """
        check_kind("store", root, (str, os.PathLike), "the name of a folder")
        if not str(root).strip():
            raise RequestError("store: the name of a folder, found an empty text; '.' is the working directory")
        self.root = Path(root).expanduser()
        if self.root.exists() and not self.root.is_dir():
            raise RequestError(f"store: {self.root} is no folder; name a folder, which is made where it does not exist")
        self.say: Say = lambda message: say(clean_lines(message))
        self.trust = trust
        self.named = set(named)
        self.noted = set(noted)
        self.computes = True
        self._said: set[str] = set()

    def once(self, message: str) -> None:
        """Report ``message``, unless it was reported by this function before."""
        if message not in self._said:
            self._said.add(message)
            self.say(message)

    def note_changes(self, run: Run, record: Record) -> None:
        """Report user code that has changed since ``run`` was trained, once for each name."""
        from didact.store.source import changed

        for name in changed(run, record):
            if name not in self.noted:
                self.noted.add(name)
                self.say(f"{name} has changed since {run.label} was trained; its Record is used as it is")

    def folder(self, run: Run) -> Path:
        """The run's folder: label and digest in portable characters, or an existing folder of an
        older version.

        Raises:
            SpecError: ``run`` is no Run.
        """
        from didact.runs.run import Run

        check_kind("run", run, Run, "a Run; didact.store.choice.chosen(store, DIGEST)[0] finds one by its digest")
        safe = ".".join(_safe(part)[:LONGEST] for part in (nets.title(run.net), run.way))
        folder = self.root / "runs" / f"{safe}.s{run.seed}.{run.digest}"
        older = folder.with_name(f"{run.label}.{run.digest}") if "/" not in run.label else folder
        return older if older != folder and os.path.exists(older) and not os.path.exists(folder) else folder

    def check_folders(self, runs: Iterable[Run]) -> None:
        """Check that no run's folder is a link, which could lead out of the store.

        Raises:
            RequestError: a run's folder is a link.
        """
        for folder in map(self.folder, runs):
            if folder.is_symlink():
                raise RequestError(
                    f"{folder} is a link, and nothing is written through it; remove it, or use another store, and ask again"
                )

    def get(self, run: Run) -> Record | None:
        """The run's Record, with checksums verified; None if missing or damaged. Damage is
        reported."""
        try:
            return self.record(run)
        except DamagedError as error:
            self.say(damaged(error))
            return None

    def existing(self, run: Run) -> Record:
        """The run's Record, with checksums verified.

        Raises:
            LookupError: there is none, or it is damaged, which is reported.
        """
        record = self.get(run)
        if record is None:
            folder = self.folder(run)
            there = os.path.lexists(folder / "record.json")
            why = f"is damaged in {folder}" if there else f"has not been trained; its folder would be {folder}"
            raise LookupError(f"{run.label} ({run.digest}) {why}")
        return record

    def record(self, run: Run) -> Record | None:
        """The run's Record, with checksums verified; None if there is none.

        Raises:
            DamagedError: a file does not match its checksum.
        """
        folder = self.folder(run)
        record = Record.open(folder)
        if record is not None and canonical(record.spec()) != canonical(run):
            raise DamagedError(f"{folder / 'spec.json'} describes another run")
        return record

    def opened(self, run: Run) -> Record | None:
        """The run's Record, or None. Each file is verified when it is read. Damage is reported."""
        folder = self.folder(run)
        try:
            record = Record.at(folder)
            if record is not None and canonical(record.spec()) != canonical(run):
                raise DamagedError(f"{folder / 'spec.json'} describes another run")
        except DamagedError as error:
            self.say(damaged(error))
            return None
        return record

    def failure(self, run: Run) -> str | None:
        """The reason why the run stopped; None if it did not, or if the reason cannot be read."""
        return failed(self.folder(run), run.digest)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """The content of the store by folder: finished runs, Records that are only listed, folders
        without Record.

        Spec and metrics of every Record are verified; other files are verified when they are read.

        Args:
            prefix: only folders with a name, label or digest that begins with it.
        """
        for folder in self.folders():
            if begins(folder, prefix):
                yield self.entry(folder)

    def folders(self) -> list[Path]:
        """The folders of runs, finished or not, in alphabetical order, without those moved
        aside."""
        runs = self.root / "runs"
        names = sorted(os.listdir(runs)) if runs.is_dir() else []
        return [runs / name for name in names if ".damaged-" not in name and ".aside-" not in name]

    def entry(self, folder: Path) -> Entry:
        """The entry of ``folder``, which is one of :meth:`folders`."""
        try:
            record = Record.at(folder)
            if record is None:
                return unsealed(folder)
            spec = record.spec()
            record.final()
        except DamagedError as error:
            return Lost(folder, damaged(error), damaged=True)
        code = code_names(spec)
        try:
            if not self.trusts(code):
                return listed(record, spec, code)
            from didact.runs.run import Run

            run = from_json(Run, spec)
        except ValueError as error:
            return Lost(folder, f"skipped {clean(folder.name)}: {error}")
        if self.folder(run) != folder:
            return Lost(
                folder, f"skipped {clean(folder.name)}: written by another version of didact, to which it was another run"
            )
        return Finished(run, record)

    def trusts(self, code: frozenset[str]) -> bool:
        """Whether Runs that name ``code`` may be built."""
        return self.trust or code <= self.named

    def runs(self) -> Iterator[tuple[Run, Record]]:
        """Every finished run in the store that may be built. Runs left out are reported."""
        left: list[Listed] = []
        for entry in self.entries():
            match entry:
                case Finished():
                    yield entry.run, entry.record
                case Listed():
                    left.append(entry)
                case Lost() if not entry.running:
                    self.say(entry.why)
        if left:
            code = tuple(sorted({name for entry in left for name in entry.code}))
            self.say(f"left out {len(left)} of the Records: each {untrusted(code)}")

    def anchor(self, run: Run, epoch: int) -> BlockNet:
        """The run's network after ``epoch``, on the CPU in eval mode.

        Raises:
            DamagedError: it was not kept, or is damaged.
            RequestError: the user's code of the network has changed and has other weights now.
        """
        if epoch == run.epochs:
            return self.load(run)[0]
        from didact.files.tensors import read_tensors
        from didact.runs.build import network
        from didact.store.weights import put

        tensors, _ = read_tensors(anchor_path(self.folder(run), epoch))
        net = network(run)
        put(run, net, "net.", tensors)
        return net.eval()

    # ----------------------------------------------------------------------------------------
    # networks from Records

    def load(self, run: Run) -> tuple[BlockNet, nn.Module]:
        """The trained network and its extras, on the CPU in eval mode.

        Raises:
            LookupError: the run has no Record, or a damaged one.
            RequestError: the user's code has changed and has other weights now.
        """
        from didact.runs.build import extras, network, pair, placeholders
        from didact.store.weights import put

        record = self.existing(run)
        tensors, values = record.weights()
        net = network(run)
        put(run, net, "net.", tensors)
        teacher = network(run.teacher) if run.teacher else None
        parts = extras(run, pair(run, net, teacher, placeholders(run, values["samples"])))
        put(run, parts, "extras.", tensors)
        self.note_changes(run, record)
        return net.eval(), parts.eval()

    def deployed(self, run: Run) -> nn.Module:
        """The network to evaluate, export and use as a teacher, on the CPU in eval mode."""
        net, parts = self.load(run)
        return run.method.deployed(parts, net).eval()


def _safe(name: str) -> str:
    """``name`` in characters that every file system accepts."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "-", name)


def begins(folder: Path, prefix: str) -> bool:
    """Whether the folder's name or digest begins with ``prefix``, which may be a label from a
    list."""
    return any(name.startswith((prefix, _safe(prefix))) for name in (folder.name, folder.suffix[1:]))
