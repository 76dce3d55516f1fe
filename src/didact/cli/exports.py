"""``--export``: finished students as files, straight after the command that trained or found them.
Imports no torch before it runs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from didact import streams
from didact.cli.options import exactly
from didact.files.disk import refusal
from didact.spec import Count, RequestError, SpecError

if TYPE_CHECKING:
    from didact.papers.contract import Paper
    from didact.runs.run import Run
    from didact.store.store import Store

ExportTo = Annotated[
    str | None, Parameter(name="--export", help="Then export the finished students: onnx (as didact export --to).")
]
ExportBits = Annotated[
    int | None,
    Parameter(
        name="--bits",
        converter=exactly(Count),
        help="With --export: 32 or 8; by default 8 for students trained in 8 bits, else 32.",
    ),
]
ExportFolder = Annotated[
    Path | None,
    Parameter(name="--folder", help="With --export: where the files go; the working directory by default."),
]


@dataclass(frozen=True)
class Exports:
    """What is exported of each student: the file's form, its bits and the scales of its weights (None:
    those of the training), and where it goes."""

    to: str
    bits: int | None
    folder: Path
    weight_scales: str | None = None

    def check(self, store: Store, runs: Sequence[Run]) -> None:
        """Refuse before any training what cannot be exported.

        Raises:
            RequestError: as of :func:`didact.sharing.checks.check`.
        """
        from didact.sharing.checks import check

        for run in runs:
            if not self._there(store, run):
                check(run, self._path(store, run), self.to, self._bits(run), None, weight_scales=self.weight_scales)

    def write(self, store: Store, runs: Sequence[Run], *, to_stderr: bool = False) -> int:
        """Export the finished ones of ``runs`` that are not there yet, and say what was measured.
        Returns 1 when one of them failed, else 0."""
        from didact.sharing.export import export
        from didact.sharing.exported import summary

        code = 0
        for run in runs:
            record = store.get(run)
            if record is None:
                continue
            path = self._path(store, run)
            if self._there(store, run):
                streams.say(f"{path} is there already", to_stderr=to_stderr)
                continue
            try:
                done = export(store, run, record, path, to=self.to, bits=self._bits(run), weight_scales=self.weight_scales)
            except (RequestError, OSError) as error:
                reason = refusal(error) if isinstance(error, OSError) else error
                streams.say(f"FAILED to export {run.label} ({run.digest}): {reason}", to_stderr=True)
                code = 1
                continue
            for line in summary(done):
                streams.say(line, to_stderr=to_stderr)
            if done.warning is not None:
                streams.say(done.warning, to_stderr=True)
        return code

    def _bits(self, run: Run) -> int:
        return run.recipe.bits if self.bits is None else self.bits

    def _path(self, store: Store, run: Run) -> Path:
        from didact.sharing.checks import usual_place

        return self.folder / usual_place(store, run, self._bits(run), self.to, self.weight_scales).name

    def __str__(self) -> str:
        """The options that ask for it."""
        options = {"--export": self.to, "--bits": self.bits, "--weight-scales": self.weight_scales}
        return " ".join(f"{option} {value}" for option, value in options.items() if value is not None)

    def _there(self, store: Store, run: Run) -> bool:
        """Whether the file of this very run is there, as its description has it."""
        from didact.deploy.figures import description_of
        from didact.files.checked import DamagedError, read_json

        path = self._path(store, run)
        if not path.is_file():
            return False
        try:
            about = read_json(description_of(path))
        except (DamagedError, OSError):
            return False
        known = about if isinstance(about, dict) else {}
        return known.get("digest") == run.digest and known.get("sha256") == hashlib.sha256(path.read_bytes()).hexdigest()


def asked(
    to: str | None, bits: int | None, folder: Path | None, weight_scales: str | None = None, *, plan: bool = False
) -> Exports | None:
    """What the options ask for; None where nothing is exported.

    Raises:
        SpecError: a setting of an export, and no export; an export of a plan.
    """
    if to is None:
        for name, value in (("bits", bits), ("folder", folder), ("weight-scales", weight_scales)):
            if value is not None:
                raise SpecError(f"{name}: is for an export; write --export onnx, too")
        return None
    if plan:
        raise SpecError("export: --plan trains nothing, so there is nothing to export; write one of them")
    return Exports(to, bits, Path() if folder is None else folder.expanduser(), weight_scales)


def students(paper: Paper) -> list[Run]:
    """The students of a study, among which a front is chosen by validation images.

    Raises:
        SpecError: the study does not name them, or trains none, or one of them has no validation
            images; the test set chooses nothing.
    """
    runs: list[Run] | None = getattr(paper, "runs", None)
    if not isinstance(runs, list):
        raise SpecError(
            "export: this study does not say which runs its students are; export single runs: didact export DIGEST"
        )
    if not runs or getattr(paper, "costs_only", False):
        raise SpecError("export: this study trains no student; leave it out")
    run = next((run for run in runs if not run.data.validation), None)
    if run is not None:
        raise SpecError(
            f"export: which students are on the front is decided on validation images, and {run.data.label} has none set "
            "aside; write --data.validation 0.1, too, or export single runs: didact export DIGEST"
        )
    return runs


def front(store: Store, runs: Sequence[Run]) -> list[Run]:
    """The finished runs on the Pareto front of accuracy on the validation images against bytes of
    weights, by rising size: a run that costs more is more accurate than all before it."""
    from didact.data import facts
    from didact.search.costs import counted

    found: list[tuple[float, float, Run]] = []
    for run in runs:
        record = store.get(run)
        if record is not None:
            about = facts(run.data)
            size = counted(run.net, about.classes, about.image)[0] * run.recipe.bits / 8
            found.append((size, -record.final()["validation_top1"], run))
    best: list[Run] = []
    lowest = math.inf
    for _, error, run in sorted(found, key=lambda one: (*one[:2], one[2].digest)):
        if error < lowest:
            lowest = error
            best.append(run)
    return best
